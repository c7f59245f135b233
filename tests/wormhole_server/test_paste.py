"""Tests of `wormhole_server.paste`."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase
from wormhole._hints import parse_hint_argv  # type: ignore[import-untyped]

from wormhole_server.paste import local_host, paste_line
from wormhole_server.reach import Reach


class PasteTests(SynchronousTestCase):
    def test_both(self) -> None:
        """The line names both servers."""
        self.assertEqual(
            paste_line(Reach("ws://192.0.2.7:4000/v1", "tcp:192.0.2.7:4001")),
            "wormhole --relay-url=ws://192.0.2.7:4000/v1 "
            "--transit-helper=tcp:192.0.2.7:4001 send FILE",
        )

    def test_one(self) -> None:
        """What cannot be reached is left to the client's default."""
        self.assertEqual(
            paste_line(Reach("wss://w.example.org/v1", None)),
            "wormhole --relay-url=wss://w.example.org/v1 send FILE",
        )
        self.assertEqual(
            paste_line(Reach(None, "tcp:192.0.2.7:4001")),
            "wormhole --transit-helper=tcp:192.0.2.7:4001 send FILE",
        )

    def test_ipv6(self) -> None:
        """The client reads an IPv6 address as it is written."""
        line = paste_line(Reach(None, "tcp:[::1]:4001"))
        assert line is not None
        hint = parse_hint_argv(line.split("--transit-helper=")[1].split()[0])
        self.assertEqual((hint.hostname, hint.port), ("::1", 4001))

    def test_nothing(self) -> None:
        """Where nothing can be reached, there is nothing to paste."""
        self.assertIsNone(paste_line(Reach(None, None)))


class LocalHostTests(SynchronousTestCase):
    def test_reachable(self) -> None:
        """The guess is a name, or an address of this machine and not one that stands for all."""
        host = local_host()
        self.assertTrue(host)
        try:
            address = ip_address(host)
        except ValueError:
            return
        self.assertFalse(address.is_unspecified)
