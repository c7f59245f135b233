"""Tests of `wormhole_server.listening.proxies.trusted_peers`."""

from __future__ import annotations

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.trusted_proxies import parse_trusted_proxy
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies


def trust(*proxies: str) -> TrustedProxies:
    return TrustedProxies(tuple(map(parse_trusted_proxy, proxies)))


class TrustTests(SynchronousTestCase):
    def test_nobody(self) -> None:
        """Without proxies no peer is trusted."""
        for peer in (IPv4Address("TCP", "127.0.0.1", 1), UNIXAddress(b"/run/socket"), None):
            self.assertFalse(TrustedProxies(()).trusts_peer(peer))

    def test_networks(self) -> None:
        """Exactly the peers within the networks are trusted, also if their address is mapped into IPv6."""
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
            self.assertIs(some.trusts_peer(kind("TCP", host, 1)), expected, host)
        self.assertFalse(some.trusts_peer(UNIXAddress(b"/run/socket")))
        self.assertFalse(some.trusts_peer(HostnameAddress(b"example.org", 80)))

    def test_unix(self) -> None:
        """`unix` trusts every peer of a Unix socket, bound or not."""
        self.assertTrue(trust("unix").trusts_peer(UNIXAddress(None)))
        self.assertFalse(trust("unix").trusts_peer(IPv4Address("TCP", "127.0.0.1", 1)))
