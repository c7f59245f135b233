"""Tests of `wormhole_server.config.trusted_proxies`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.trusted_proxies import (
    LocalPeer,
    parse_trusted_proxy,
    show_trusted_proxy,
)


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
        self.assertIs(parse_trusted_proxy("unix"), LocalPeer.UNIX)

    def test_refused(self) -> None:
        """A value that is not a network is refused with what to write."""
        for raw in ("", "localhost", "10.0.0.0/33", "10.0.0.1-10.0.0.9", 10, True, None, "*"):
            error = self.assertRaises(ValueError, parse_trusted_proxy, raw)
            self.assertIn("such as 127.0.0.1", str(error))

    def test_host_bits(self) -> None:
        """An address with the length of a network is refused, with both possible corrections."""
        error = self.assertRaises(ValueError, parse_trusted_proxy, "10.1.2.3/8")
        self.assertIn("write 10.0.0.0/8 for all of it, or 10.1.2.3 for this one", str(error))
