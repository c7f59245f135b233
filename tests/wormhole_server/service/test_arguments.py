"""Tests of `wormhole_server.service.arguments`."""

from __future__ import annotations

import attrs
from twisted.internet.address import UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.durations import Bytes, Seconds
from wormhole_server.config.groups.rendezvous import PermissionMode
from wormhole_server.config.settings import Settings
from wormhole_server.config.websocket_options import parse_protocol_option
from wormhole_server.service.arguments import (
    relay_limits,
    rendezvous_arguments,
    websocket_arguments,
)


class RendezvousArgumentsTests(SynchronousTestCase):
    def test_limits(self) -> None:
        """The limits of connections are those of the settings."""
        settings = Settings(
            send_buffer_limit=Bytes(1),
            websocket_ping_interval=Seconds(2),
            websocket_ping_timeout=Seconds(3),
        )
        limits = rendezvous_arguments(settings)["limits"]
        self.assertEqual(limits.send_buffer_bytes, 1)
        self.assertEqual(limits.ping_seconds, 2)
        self.assertEqual(limits.ping_timeout_seconds, 3)

    def test_lifetimes(self) -> None:
        """Each kind of row has its own lifetime."""
        settings = Settings(
            nameplate_expiry=Seconds(1),
            mailbox_expiry=Seconds(2),
            usage_retention=None,
            expiry_interval=Seconds(4),
        )
        lifetimes = rendezvous_arguments(settings)["lifetimes"]
        self.assertEqual(attrs.astuple(lifetimes), (1, 2, None, 4))

    def test_welcome(self) -> None:
        """The welcome message has the keys of the protocol."""
        settings = Settings(motd="hi", signal_error="closed", advertise_version="1.0")
        self.assertEqual(
            rendezvous_arguments(settings)["welcome"].values(UNIXAddress(b"/socket")),
            {"motd": "hi", "error": "closed", "current_cli_version": "1.0"},
        )

    def test_list(self) -> None:
        """Clients may list nameplates unless the settings disallow it."""
        self.assertTrue(rendezvous_arguments(Settings())["list_allowed"])
        self.assertFalse(rendezvous_arguments(Settings(disallow_list=True))["list_allowed"])

    def test_permissions(self) -> None:
        """Who is asked for a stamp, and for how many bits, is up to the settings."""
        for mode, asked in {
            PermissionMode.NONE: (False, False),
            PermissionMode.AUTO: (False, True),
            PermissionMode.HASHCASH: (True, False),
        }.items():
            settings = Settings(permission=mode, hashcash_bits=9)
            permissions = rendezvous_arguments(settings)["permissions"]
            self.assertEqual(attrs.astuple(permissions), (9, *asked))


class RelayLimitsTests(SynchronousTestCase):
    def test_each(self) -> None:
        """Each limit of the relay is that of the settings."""
        settings = Settings(
            transit_handshake_timeout=Seconds(1),
            transit_wait_timeout=Seconds(2),
            transit_idle_timeout=Seconds(3),
            transit_drain_timeout=Seconds(4),
            transit_keepalive_idle=Seconds(5),
            transit_keepalive_interval=Seconds(6),
            transit_keepalive_count=7,
            open_handshake_timeout=Seconds(8),
            websocket_ping_interval=Seconds(9),
            websocket_ping_timeout=Seconds(10),
        )
        limits = relay_limits(settings)
        given = [
            limits.handshake_seconds,
            limits.wait_seconds,
            limits.idle_seconds,
            limits.drain_seconds,
            limits.keepalive_idle_seconds,
            limits.keepalive_interval_seconds,
            limits.keepalive_count,
            limits.open_seconds,
            limits.ping_seconds,
            limits.pong_seconds,
        ]
        self.assertEqual(given, list(range(1, 11)))

    def test_no_pings(self) -> None:
        """Without an interval neither server sends a ping."""
        settings = Settings(websocket_ping_interval=None)
        self.assertEqual(rendezvous_arguments(settings)["limits"].ping_seconds, 0.0)
        self.assertGreaterEqual(relay_limits(settings).ping_seconds, 365 * 86400)

    def test_dead_peer(self) -> None:
        """By default the kernel finds a dead peer within 5 minutes."""
        self.assertLessEqual(relay_limits(Settings()).dead_seconds, 300)

    def test_silent_websocket(self) -> None:
        """By default a dead WebSocket peer is found within 5 minutes of its last byte."""
        limits = relay_limits(Settings())
        self.assertLessEqual(2 * limits.ping_seconds + limits.pong_seconds, 300)


class WebSocketArgumentsTests(SynchronousTestCase):
    def test_limits(self) -> None:
        """The handshake timeout is the same for rendezvous clients and for the relay over WebSocket."""
        settings = Settings(open_handshake_timeout=Seconds(7.0), message_size_limit=Bytes(9))
        self.assertEqual(websocket_arguments(settings)["open_handshake_seconds"], 7.0)
        self.assertEqual(websocket_arguments(settings)["max_message_bytes"], 9)
        self.assertEqual(relay_limits(settings).open_seconds, 7.0)

    def test_protocol_options(self) -> None:
        """Autobahn's options have Autobahn's names."""
        settings = Settings(websocket_protocol_option=(parse_protocol_option("autoPingSize=20"),))
        self.assertEqual(websocket_arguments(settings)["options"], {"autoPingSize": 20})
