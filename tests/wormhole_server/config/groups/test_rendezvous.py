"""Tests of `wormhole_server.config.groups.rendezvous`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.groups.rendezvous import ClientSettings, RendezvousSettings
from wormhole_server.config.sources import Flags, load
from wormhole_server.errors import ConfigurationError


class ClientSettingsTests(SynchronousTestCase):
    def test_open(self) -> None:
        """Clients get no message, and may list nameplates."""
        settings = ClientSettings()
        self.assertEqual(
            (settings.motd, settings.signal_error, settings.advertise_version), (None, None, None)
        )
        self.assertFalse(settings.disallow_list)
        self.assertTrue(settings.status_page)

    def test_site_name(self) -> None:
        """The page has a name."""
        with self.assertRaisesRegex(ConfigurationError, "site-name: .* is not a name"):
            load(Flags({"site-name": [""]}), {})


class RendezvousSettingsTests(SynchronousTestCase):
    def test_buffer(self) -> None:
        """A client may be behind by several of the largest messages."""
        settings = RendezvousSettings()
        self.assertGreaterEqual(settings.send_buffer_limit / settings.message_size_limit, 16)

    def test_pings(self) -> None:
        """A client is pinged before routers forget it, and has more time to answer than that."""
        settings = RendezvousSettings()
        assert settings.websocket_ping_interval is not None
        self.assertLessEqual(settings.websocket_ping_interval, 60)
        self.assertGreater(settings.websocket_ping_timeout, settings.websocket_ping_interval)

    def test_origins(self) -> None:
        """Every origin may connect."""
        self.assertEqual(RendezvousSettings().allowed_origin, ("*",))
