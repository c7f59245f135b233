"""Tests of `rendezvous.welcome`."""

from __future__ import annotations

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.welcome import Welcome
from tests.rendezvous.servers import WELCOME


class WelcomeTests(SynchronousTestCase):
    """What the operator has clients told."""

    def test_values(self) -> None:
        """What is set is told by the names of the protocol, and nothing else."""
        peer = UNIXAddress(b"/run/socket")
        self.assertEqual(WELCOME.values(peer), {})
        self.assertEqual(
            Welcome("hello", "go away", "1.0").values(peer),
            {"motd": "hello", "error": "go away", "current_cli_version": "1.0"},
        )
        self.assertEqual(Welcome("", None, None).values(peer), {"motd": ""})


class AddressTests(SynchronousTestCase):
    """What `your-address` says."""

    def told(self, peer: IAddress) -> object:
        """What a client at that address is told of it."""
        return WELCOME.values(peer).get("your-address")

    def test_ipv4(self) -> None:
        """An IPv4 client is told its address and port."""
        told = self.told(IPv4Address("TCP", "192.0.2.7", 1234))
        self.assertEqual(told, {"ipv4": "192.0.2.7", "port": 1234})

    def test_ipv6(self) -> None:
        """An IPv6 client is told its address, without the zone, which means nothing to it."""
        for host in ("2001:db8::1", "2001:db8::1%eth0"):
            told = self.told(IPv6Address("TCP", host, 1234))
            self.assertEqual(told, {"ipv6": "2001:db8::1", "port": 1234})

    def test_mapped(self) -> None:
        """An IPv4 client of an IPv6 socket is told the IPv4 address that it knows itself by."""
        told = self.told(IPv6Address("TCP", "::ffff:192.0.2.7", 1234))
        self.assertEqual(told, {"ipv4": "192.0.2.7", "port": 1234})

    def test_none(self) -> None:
        """A client that is not on the internet is told nothing."""
        self.assertIsNone(self.told(UNIXAddress(b"/run/socket")))
        self.assertIsNone(self.told(HostnameAddress(b"example.org", 80)))
