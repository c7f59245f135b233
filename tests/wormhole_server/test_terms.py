"""Tests of `wormhole_server.terms`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.server import Limits as RendezvousLimits
from rendezvous.sweeper import Lifetimes
from transit_relay.limits import Limits as RelayLimits
from wormhole_server.durations import Bytes, Seconds
from wormhole_server.settings import Settings
from wormhole_server.terms import relay_limits, rendezvous_terms, websocket_terms
from wormhole_server.websocket_options import parse_protocol_option


class TermsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """The defaults of the settings are those of the parts."""
        terms = rendezvous_terms(Settings())
        self.assertEqual(terms["limits"], RendezvousLimits())
        self.assertEqual(terms["lifetimes"], Lifetimes())
        self.assertEqual(relay_limits(Settings()), RelayLimits())
        self.assertTrue(terms["list_allowed"])

    def test_words_for_clients(self) -> None:
        """What clients are told, under the names that the protocol has for it."""
        settings = Settings(motd="hi", signal_error="closed", advertise_version="1.0")
        self.assertEqual(
            rendezvous_terms(settings)["welcome"].values(None),
            {"motd": "hi", "error": "closed", "current_cli_version": "1.0"},
        )

    def test_no_pings(self) -> None:
        """Without an interval nobody is pinged, neither here nor there."""
        settings = Settings(websocket_ping_interval=None)
        self.assertEqual(rendezvous_terms(settings)["limits"].ping_seconds, 0.0)
        self.assertGreaterEqual(relay_limits(settings).ping_seconds, 365 * 86400)

    def test_one_timeout_for_both(self) -> None:
        """The time for a handshake is that of the rendezvous server's and of the relay's WebSockets."""
        settings = Settings(open_handshake_timeout=Seconds(7.0), message_size_limit=Bytes(9))
        self.assertEqual(websocket_terms(settings)["open_handshake_seconds"], 7.0)
        self.assertEqual(websocket_terms(settings)["max_message_bytes"], 9)
        self.assertEqual(relay_limits(settings).open_seconds, 7.0)

    def test_protocol_options(self) -> None:
        """Autobahn's options go by their names."""
        settings = Settings(websocket_protocol_option=(parse_protocol_option("autoPingSize=20"),))
        self.assertEqual(websocket_terms(settings)["options"], {"autoPingSize": 20})
