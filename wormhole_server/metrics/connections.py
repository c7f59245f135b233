"""
Metrics of connections: how many clients are connected, how many may be, and which connections were refused.

Owns these series.
"""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter

from wormhole_server.listening.limiter import (
    ConnectionLimiter,
    ConnectionObserver,
    ListenerKind,
    RefusalReason,
)
from wormhole_server.metrics.series import Series

_CLIENTS = (ListenerKind.RENDEZVOUS, ListenerKind.TRANSIT)


class ConnectionMetrics(ConnectionObserver):
    """Counts refused connections, and shows the number of those that were accepted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._series = Series(registry, "wormhole_process")
        refused = Counter(
            "wormhole_process_refused_connections",
            "Connections that were refused, by listener and reason. full: the connection limit is "
            "reached. address: the address has as many connections as one may have. descriptors: the "
            "process has no file descriptor left. proxy-header: a trusted proxy sent an invalid or "
            "late PROXY header.",
            ["entrance", "reason"],
            registry=registry,
        )
        self._refused = {
            (listener, reason): refused.labels(listener.value, reason.value)
            for listener in ListenerKind
            for reason in RefusalReason
            # Only clients are counted and limited.
            if listener in _CLIENTS or reason is RefusalReason.DESCRIPTORS
        }

    def connection_refused(self, listener: ListenerKind, reason: RefusalReason) -> None:
        self._refused[listener, reason].inc()

    def watch(self, limiter: ConnectionLimiter) -> None:
        """Show the number of connections and their limit, read when the page is requested."""
        self._series.read(
            "connections",
            "Clients that are connected now, rendezvous and relay together.",
            lambda: limiter.total,
        )
        self._series.read(
            "connection_limit",
            "How many clients may be connected; +Inf where there is no limit.",
            lambda: math.inf if limiter.limits.total is None else limiter.limits.total,
        )
