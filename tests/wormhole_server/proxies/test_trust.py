"""Tests of `wormhole_server.proxies.trust`."""

from __future__ import annotations

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.proxies.trust import (
    Local,
    Trust,
    parse_trusted_proxy,
    show_trusted_proxy,
)


def trust(*proxies: str) -> Trust:
    return Trust(tuple(map(parse_trusted_proxy, proxies)))


class ParseTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """Networks, addresses and unix are shown as they are read."""
        for text, shown in {
            "10.0.0.0/8": "10.0.0.0/8",
            "192.0.2.7": "192.0.2.7/32",
            " 2001:DB8::/32 ": "2001:db8::/32",
            "::1": "::1/128",
            "::ffff:10.0.0.0/104": "10.0.0.0/8",
            "UNIX": "unix",
        }.items():
            proxy = parse_trusted_proxy(text)
            self.assertEqual(show_trusted_proxy(proxy), shown)
            self.assertEqual(parse_trusted_proxy(shown), proxy)
        self.assertIs(parse_trusted_proxy("unix"), Local.UNIX)

    def test_refused(self) -> None:
        """What is no network is refused with what to write."""
        for raw in ("", "localhost", "10.0.0.0/33", "10.0.0.1-10.0.0.9", 10, True, None, "*"):
            error = self.assertRaises(ValueError, parse_trusted_proxy, raw)
            self.assertIn("such as 127.0.0.1", str(error))

    def test_host_bits(self) -> None:
        """An address with the length of a network is a slip, and both ways out are named."""
        error = self.assertRaises(ValueError, parse_trusted_proxy, "10.1.2.3/8")
        self.assertIn("write 10.0.0.0/8 for all of it, or 10.1.2.3 for this one", str(error))


class TrustTests(SynchronousTestCase):
    def test_nobody(self) -> None:
        """Without proxies nobody is believed."""
        for peer in (IPv4Address("TCP", "127.0.0.1", 1), UNIXAddress(b"/run/socket"), None):
            self.assertFalse(Trust().in_peer(peer))

    def test_networks(self) -> None:
        """Whoever is in one of them is believed, in IPv6 clothes too, and nobody else."""
        some = trust("10.0.0.0/8", "2001:db8::/32")
        for host, expected in {
            "10.1.2.3": True,
            "::ffff:10.1.2.3": True,
            "11.1.2.3": False,
            "2001:db8::1": True,
            "2001:db8::1%eth0": True,
            "2001:db9::1": False,
        }.items():
            kind = IPv6Address if ":" in host else IPv4Address
            self.assertIs(some.in_peer(kind("TCP", host, 1)), expected, host)
        self.assertFalse(some.in_peer(UNIXAddress(b"/run/socket")))
        self.assertFalse(some.in_peer(HostnameAddress(b"example.org", 80)))

    def test_unix(self) -> None:
        """`unix` is whoever comes over a Unix socket, bound or not."""
        self.assertTrue(trust("unix").in_peer(UNIXAddress(None)))
        self.assertFalse(trust("unix").in_peer(IPv4Address("TCP", "127.0.0.1", 1)))
