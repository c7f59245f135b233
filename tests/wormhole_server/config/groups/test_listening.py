"""Tests of `wormhole_server.config.groups.listening`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.endpoints import parse_endpoint
from wormhole_server.config.groups.listening import ConnectionSettings, ListeningSettings
from wormhole_server.config.kinds import Automatic


class ListeningSettingsTests(SynchronousTestCase):
    def test_ports(self) -> None:
        """The ports are those of the public servers, on all addresses; the metrics stay on loopback."""
        settings = ListeningSettings()
        self.assertEqual(settings.rendezvous, (r"tcp:4000:interface=\:\:",))
        self.assertEqual(settings.transit, (r"tcp:4001:interface=\:\:",))
        self.assertEqual(settings.metrics, ("tcp:9400:interface=127.0.0.1",))
        for endpoint in (*settings.rendezvous, *settings.transit, *settings.metrics):
            self.assertEqual(parse_endpoint(endpoint), endpoint)


class ConnectionSettingsTests(SynchronousTestCase):
    def test_trust(self) -> None:
        """No proxy is trusted unless the operator names it."""
        self.assertEqual(ConnectionSettings().trusted_proxy, ())

    def test_limits(self) -> None:
        """The connections are limited by the file descriptors, and by address."""
        settings = ConnectionSettings()
        self.assertIs(settings.connection_limit, Automatic.AUTO)
        self.assertIs(settings.connections_per_address, Automatic.AUTO)
