"""
What is counted of the relay: connections by what they do, pairs, bytes, and who moves them.

Owns these series. Implements what the relay reports to, which knows nothing of it.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from transit_relay.observer import ConnectionRecord, End, Fallback, LinkKind, Mood, State
from wormhole_server.metrics_series import Series, count_of

# From a text that was sent to a dilated wormhole that stayed for a day.
_SESSION_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400)
# Both come within seconds once a code has been typed; the hour is the longest that one waits.
_WAITING_SECONDS = (0.1, 0.5, 1, 2, 5, 15, 60, 300, 900, 3600)
# Powers of sixteen from a text to a disk image, with which a histogram of sizes is told apart well enough.
_SESSION_BYTES = (4096, 65536, 1048576, 16777216, 268435456, 4294967296, 68719476736)


class RelayMetrics:
    """A `transit_relay.observer.Observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        series = Series(registry, "wormhole_relay")
        connections = series.gauge(
            "connected",
            "Connections that are there now, by how they came and what they are doing.",
            ["end", "state"],
        )
        self._connected = {
            (end, state): connections.labels(end.value, state.value)
            for end in End
            for state in State
        }
        self._connections = series.by(
            "connections", "Connections that have come, by how.", "end", End
        )
        self._finished = series.by(
            "finished_connections", "Connections that are gone, by how they ended.", "mood", Mood
        )
        self._pairs = series.counter("pairs", "Pairs that have met and are gone again.")
        self._bytes = series.counter("bytes", "Bytes handed on, both directions together.")
        self._waiting_seconds = series.histogram(
            "waiting_seconds",
            "How long the first of a pair waited for the second.",
            _WAITING_SECONDS,
        )
        self._session_seconds = series.histogram(
            "session_seconds",
            "How long pairs lasted, from the moment when they met.",
            _SESSION_SECONDS,
        )
        self._session_bytes = series.histogram(
            "session_bytes", "How much pairs sent, both directions together.", _SESSION_BYTES
        )
        self._links = series.by(
            "links", "Pairs that have met, by what moves their bytes.", "kind", LinkKind
        )
        self._fallbacks = series.by(
            "link_fallbacks",
            "Ways of a pair whose bytes went through the process, not through the kernel, by why.",
            "reason",
            Fallback,
        )
        self._pipe_memory = series.gauge(
            "pipe_memory_bytes", "Kernel memory in pipes that the relay holds now."
        )
        self._internal_errors = series.counter(
            "internal_errors",
            "Exceptions that nobody foresaw, each of which closed a connection; the log has them.",
        )

    def sessions(self) -> int:
        """Pairs that have met and are gone again."""
        return count_of(self._pairs)

    def relayed_bytes(self) -> int:
        """Bytes handed on."""
        return count_of(self._bytes)

    def connection_state(self, link_end: End, before: State | None, after: State | None) -> None:
        """A connection goes from one state to the next; None stands for not (or no longer) here."""
        if before is None:
            self._connections[link_end].inc()
        else:
            self._connected[link_end, before].dec()
        if after is not None:
            self._connected[link_end, after].inc()

    def relayed(self, byte_count: int) -> None:
        """So many bytes more were handed on."""
        self._bytes.inc(byte_count)

    def finished(self, record: ConnectionRecord) -> None:
        """A connection is gone."""
        self._finished[record.mood].inc()
        pair = record.pair
        # Of the two of a pair, one is always jilted.
        if pair is not None and record.mood is not Mood.JILTED:
            self._pairs.inc()
            self._waiting_seconds.observe(pair.waiting_seconds)
            self._session_seconds.observe(pair.total_seconds - pair.waiting_seconds)
            self._session_bytes.observe(pair.bytes)

    def internal_error(self) -> None:
        """Our own code failed while it dealt with one connection."""
        self._internal_errors.inc()

    def linked(self, kind: LinkKind) -> None:
        """A pair has met, and its bytes are moved in this way."""
        self._links[kind].inc()

    def fell_back(self, why: Fallback) -> None:
        """One way of a pair, which the kernel was to serve, goes through the process."""
        self._fallbacks[why].inc()

    def pipe_memory(self, byte_count: int) -> None:
        """Kernel memory in pipes is now so much."""
        self._pipe_memory.set(byte_count)
