"""Tests of `wormhole_server.config.groups.relay`."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.groups.relay import RelaySettings, TransitLink
from wormhole_server.config.groups.storage import StorageSettings
from wormhole_server.config.settings import BY_NAME


class RelaySettingsTests(SynchronousTestCase):
    def test_wait(self) -> None:
        """A connection waits for its buddy as long as a nameplate is kept."""
        self.assertEqual(RelaySettings().transit_wait_timeout, StorageSettings().nameplate_expiry)

    def test_keepalive(self) -> None:
        """A peer that vanished is detected within five minutes."""
        settings = RelaySettings()
        probes = settings.transit_keepalive_count * settings.transit_keepalive_interval
        self.assertLess(settings.transit_keepalive_idle + probes, 5 * 60)
        self.assertGreater(settings.transit_keepalive_count, 1)

    def test_longest_keepalive(self) -> None:
        """The longest times that are accepted are the longest that the kernel takes."""
        for name, option in (
            ("transit-keepalive-idle", socket.TCP_KEEPIDLE),
            ("transit-keepalive-interval", socket.TCP_KEEPINTVL),
        ):
            longest = int(BY_NAME[name].kind.parse("32767s"))
            with socket.socket() as handle:
                handle.setsockopt(socket.IPPROTO_TCP, option, longest)
                with self.assertRaises(OSError):
                    handle.setsockopt(socket.IPPROTO_TCP, option, longest + 1)
            with self.assertRaisesRegex(ValueError, "longer than the 32767 seconds"):
                BY_NAME[name].kind.parse("32768s")

    def test_month(self) -> None:
        """A month's traffic may be as much as providers sell."""
        for name in ("transit-month-limit", "transit-month-limit-per-address"):
            kind = BY_NAME[name].kind
            self.assertEqual(kind.show(kind.parse("20TiB")), "20TiB")

    def test_timeouts(self) -> None:
        """The handshake has the shortest timeout, an idle pair the longest."""
        settings = RelaySettings()
        timeouts = [
            settings.transit_handshake_timeout,
            settings.transit_drain_timeout,
            settings.transit_wait_timeout,
            settings.transit_idle_timeout,
        ]
        self.assertEqual(timeouts, sorted(set(timeouts)))

    def test_link(self) -> None:
        """Bytes are moved by the kernel if it can, with a pipe that needs no privilege."""
        settings = RelaySettings()
        self.assertIs(settings.transit_link, TransitLink.AUTO)
        self.assertLessEqual(settings.transit_pipe_memory, 1 << 20)
