"""Tests of `rendezvous.addresses`."""

from __future__ import annotations

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.addresses import describe


class DescribeTests(SynchronousTestCase):
    """What `your-address` says."""

    def test_ipv4(self) -> None:
        """An IPv4 client is told its address and port."""
        told = describe(IPv4Address("TCP", "192.0.2.7", 1234))
        self.assertEqual(told, {"ipv4": "192.0.2.7", "port": 1234})

    def test_ipv6(self) -> None:
        """An IPv6 client is told its address, without the zone, which means nothing to it."""
        for host in ("2001:db8::1", "2001:db8::1%eth0"):
            told = describe(IPv6Address("TCP", host, 1234))
            self.assertEqual(told, {"ipv6": "2001:db8::1", "port": 1234})

    def test_mapped(self) -> None:
        """An IPv4 client of an IPv6 socket is told the IPv4 address that it knows itself by."""
        told = describe(IPv6Address("TCP", "::ffff:192.0.2.7", 1234))
        self.assertEqual(told, {"ipv4": "192.0.2.7", "port": 1234})

    def test_none(self) -> None:
        """A client that is not on the internet is told nothing."""
        self.assertIsNone(describe(UNIXAddress(b"/run/socket")))
        self.assertIsNone(describe(HostnameAddress(b"example.org", 80)))
