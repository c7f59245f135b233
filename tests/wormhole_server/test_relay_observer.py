"""Tests of `wormhole_server.relay_observer`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.records import HAPPY
from transit_relay.observer import ConnectionRecord, End, Observer, State
from wormhole_server.metrics import RelayMetrics
from wormhole_server.relay_observer import Recording


class RecordingTests(SynchronousTestCase):
    def test_everybody_hears(self) -> None:
        """What the relay tells is counted, and every keeper of records gets each record."""
        registry = CollectorRegistry()
        one: list[ConnectionRecord] = []
        other: list[ConnectionRecord] = []
        observer: Observer = Recording(RelayMetrics(registry), [one.append, other.append])
        observer.connection_state(End.TCP, None, State.HANDSHAKE)
        observer.relayed(5)
        observer.finished(HAPPY)
        observer.internal_error()
        self.assertEqual((one, other), ([HAPPY], [HAPPY]))
        for name, labels in (
            ("wormhole_relay_connected", {"end": "tcp", "state": "handshake"}),
            ("wormhole_relay_finished_connections_total", {"mood": "happy"}),
            ("wormhole_relay_internal_errors_total", {}),
        ):
            self.assertEqual(registry.get_sample_value(name, labels), 1)
        self.assertEqual(registry.get_sample_value("wormhole_relay_bytes_total"), 5)
