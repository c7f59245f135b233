"""Tests of `wormhole_server.metrics.relay`."""

from __future__ import annotations

from tests.wormhole_server.metrics.support import MetricsCase
from tests.wormhole_server.records import HAPPY, JILTED, LONELY
from transit_relay.observer import ConnectionKind, ConnectionState, Fallback, LinkKind, RelayMood


class RelayMetricsTests(MetricsCase):
    def test_states(self) -> None:
        """A connection is in one state at a time, and in none at the end."""
        self.metrics.relay.connection_state(ConnectionKind.TCP, None, ConnectionState.HANDSHAKE)
        self.metrics.relay.connection_state(
            ConnectionKind.WEBSOCKET, None, ConnectionState.HANDSHAKE
        )
        self.metrics.relay.connection_state(
            ConnectionKind.TCP, ConnectionState.HANDSHAKE, ConnectionState.WAITING
        )
        present = {
            (end, state): self.value("relay_connected", end=end.value, state=state.value)
            for end in ConnectionKind
            for state in ConnectionState
        }
        self.assertEqual(
            {where for where, count in present.items() if count},
            {
                (ConnectionKind.TCP, ConnectionState.WAITING),
                (ConnectionKind.WEBSOCKET, ConnectionState.HANDSHAKE),
            },
        )
        self.metrics.relay.connection_state(ConnectionKind.TCP, ConnectionState.WAITING, None)
        self.assertEqual(self.value("relay_connected", end="tcp", state="waiting"), 0)
        self.assertEqual(
            self.values("relay_connections_total", "end", ConnectionKind),
            {ConnectionKind.TCP: 1, ConnectionKind.WEBSOCKET: 1},
        )

    def test_pair(self) -> None:
        """A pair is counted once, with its time and bytes; each connection has a mood."""
        for record in (JILTED, HAPPY, LONELY):
            self.metrics.relay.finished(record)
        self.assertEqual(
            self.values("relay_finished_connections_total", "mood", RelayMood),
            {RelayMood.HAPPY: 1, RelayMood.JILTED: 1, RelayMood.LONELY: 1},
        )
        self.assertEqual(self.value("relay_pairs_total"), 1)
        self.assertEqual(self.value("relay_session_seconds_count"), 1)
        self.assertEqual(self.value("relay_session_seconds_sum"), 105.25)
        self.assertEqual(self.value("relay_waiting_seconds_sum"), 20.25)
        self.assertEqual(self.value("relay_session_bytes_bucket", le="65536.0"), 0)
        self.assertEqual(self.value("relay_session_bytes_bucket", le="1.048576e+06"), 1)

    def test_bytes(self) -> None:
        """Bytes add up."""
        self.metrics.relay.relayed(1000)
        self.metrics.relay.relayed(1 << 40)
        self.assertEqual(self.value("relay_bytes_total"), 1000 + (1 << 40))

    def test_internal_error(self) -> None:
        """Unexpected exceptions are counted."""
        self.metrics.relay.internal_error()
        self.assertEqual(self.value("relay_internal_errors_total"), 1)

    def test_links(self) -> None:
        """Links and fallbacks are counted by kind and reason; the memory in pipes is shown."""
        self.metrics.relay.linked(LinkKind.SPLICE)
        self.assertEqual(self.values("relay_links_total", "kind", LinkKind), {LinkKind.SPLICE: 1})
        self.metrics.relay.fell_back(Fallback.REFUSED)
        self.metrics.relay.pipe_memory(262_144)
        self.assertEqual(
            self.values("relay_link_fallbacks_total", "reason", Fallback), {Fallback.REFUSED: 1}
        )
        self.assertEqual(self.value("relay_pipe_memory_bytes"), 262_144)

    def test_read(self) -> None:
        """The status page reads how many pairs there were, and how many bytes."""
        self.metrics.relay.finished(HAPPY)
        self.metrics.relay.relayed(1000)
        self.assertEqual(self.metrics.relay.sessions(), 1)
        self.assertEqual(self.metrics.relay.relayed_bytes(), 1000)
