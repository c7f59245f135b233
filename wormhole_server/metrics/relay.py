"""
Metrics of the relay: connections by state and mood, pairs, bytes, and what moves the bytes.

Owns these series. `transit_relay` knows its observer only, not this module.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from transit_relay.observer import (
    ConnectionKind,
    ConnectionRecord,
    ConnectionState,
    Fallback,
    LinkKind,
    RelayMood,
    RelayObserver,
)
from wormhole_server.metrics.series import Series, count_of

# From a text message to a dilated wormhole that stays for a day.
_SESSION_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
# Both connect within seconds once a code has been typed; a connection waits for an hour at most.
_WAITING_SECONDS = (0.1, 0.5, 1, 2, 5, 15, 60, 300, 900, 3600)
# Powers of sixteen, from a text message to a disk image.
_SESSION_BYTES = (4096, 65536, 1048576, 16777216, 268435456, 4294967296, 68719476736)


class RelayMetrics(RelayObserver):
    """Counts what the relay reports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        series = Series(registry, "wormhole_relay")
        connections = series.gauge(
            "connected",
            "Connections now, by kind and state.",
            ["end", "state"],
        )
        self._connected = {
            (kind, state): connections.labels(kind.value, state.value)
            for kind in ConnectionKind
            for state in ConnectionState
        }
        self._connections = series.by(
            "connections", "Connections accepted, by kind.", "end", ConnectionKind
        )
        self._finished = series.by(
            "finished_connections", "Connections that ended, by mood.", "mood", RelayMood
        )
        self._pairs = series.counter("pairs", "Pairs that have ended.")
        self._bytes = series.counter("bytes", "Bytes relayed, both directions together.")
        self._waiting_seconds = series.histogram(
            "waiting_seconds",
            "How long the first connection of a pair waited for the second.",
            _WAITING_SECONDS,
        )
        self._session_seconds = series.histogram(
            "session_seconds",
            "How long pairs lasted, from the moment they were paired.",
            _SESSION_SECONDS,
        )
        self._session_bytes = series.histogram(
            "session_bytes", "Bytes relayed for a pair, both directions together.", _SESSION_BYTES
        )
        self._links = series.by("links", "Pairs made, by what moves their bytes.", "kind", LinkKind)
        self._fallbacks = series.by(
            "link_fallbacks",
            "Directions of a pair whose bytes went through the process, not the kernel, by reason.",
            "reason",
            Fallback,
        )
        self._pipe_memory = series.gauge(
            "pipe_memory_bytes", "Kernel memory that the relay's pipe holds now."
        )
        self._internal_errors = series.counter(
            "internal_errors",
            "Unexpected exceptions, each of which was contained and is in the log.",
        )

    def sessions(self) -> int:
        """Return how many pairs have ended."""
        return count_of(self._pairs)

    def relayed_bytes(self) -> int:
        """Return how many bytes were relayed, both directions together."""
        return count_of(self._bytes)

    def connection_state(
        self, kind: ConnectionKind, before: ConnectionState | None, after: ConnectionState | None
    ) -> None:
        if before is None:
            self._connections[kind].inc()
        else:
            self._connected[kind, before].dec()
        if after is not None:
            self._connected[kind, after].inc()

    def relayed(self, byte_count: int) -> None:
        self._bytes.inc(byte_count)

    def finished(self, record: ConnectionRecord) -> None:
        self._finished[record.mood].inc()
        pair = record.pair
        # Exactly one of the two is jilted.
        if pair is not None and record.mood is not RelayMood.JILTED:
            self._pairs.inc()
            self._waiting_seconds.observe(pair.waiting_seconds)
            self._session_seconds.observe(pair.total_seconds - pair.waiting_seconds)
            self._session_bytes.observe(pair.bytes)

    def internal_error(self) -> None:
        self._internal_errors.inc()

    def linked(self, kind: LinkKind) -> None:
        self._links[kind].inc()

    def fell_back(self, why: Fallback) -> None:
        self._fallbacks[why].inc()

    def pipe_memory(self, byte_count: int) -> None:
        self._pipe_memory.set(byte_count)
