"""Tests of `wormhole_server.relay_observer`."""

from __future__ import annotations

import attrs
from prometheus_client import CollectorRegistry
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.records import HAPPY, LONELY, PAIR
from transit_relay.observer import ConnectionRecord, End, Fallback, LinkKind, Observer, State
from wormhole_server.metrics import RelayMetrics
from wormhole_server.relay_observer import Recording


class RecordingTests(SynchronousTestCase):
    def test_time_of_day(self) -> None:
        """Records tell when a connection began by the time of day, though the relay's clock is another."""
        kept: list[ConnectionRecord] = []
        observer = Recording(RelayMetrics(CollectorRegistry()), [kept.append], lambda: 3600.0)
        observer.finished(HAPPY)
        observer.finished(LONELY)
        self.assertEqual(kept[0].started, HAPPY.started + 3600)
        self.assertEqual(kept[0].pair, attrs.evolve(PAIR, started=PAIR.started + 3600))
        self.assertEqual(kept[1], attrs.evolve(LONELY, started=LONELY.started + 3600))

    def test_everybody_hears(self) -> None:
        """What the relay tells is counted, and every keeper of records gets each record."""
        registry = CollectorRegistry()
        one: list[ConnectionRecord] = []
        other: list[ConnectionRecord] = []
        observer: Observer = Recording(
            RelayMetrics(registry), [one.append, other.append], lambda: 0.0
        )
        observer.connection_state(End.TCP, None, State.HANDSHAKE)
        observer.relayed(5)
        observer.finished(HAPPY)
        observer.internal_error()
        observer.linked(LinkKind.SPLICE)
        observer.fell_back(Fallback.NO_PIPE)
        observer.pipe_memory(7)
        self.assertEqual((one, other), ([HAPPY], [HAPPY]))
        for name, labels in (
            ("wormhole_relay_connected", {"end": "tcp", "state": "handshake"}),
            ("wormhole_relay_finished_connections_total", {"mood": "happy"}),
            ("wormhole_relay_internal_errors_total", {}),
            ("wormhole_relay_links_total", {"kind": "splice"}),
            ("wormhole_relay_link_fallbacks_total", {"reason": "no_pipe"}),
        ):
            self.assertEqual(registry.get_sample_value(name, labels), 1)
        self.assertEqual(registry.get_sample_value("wormhole_relay_bytes_total"), 5)
        self.assertEqual(registry.get_sample_value("wormhole_relay_pipe_memory_bytes"), 7)
