"""Tests of `wormhole_server.metrics.connections`."""

from __future__ import annotations

import math

from tests.wormhole_server.metrics.support import MetricsCase
from wormhole_limits.bounds import BoundObserver
from wormhole_server.listening.limiter import (
    ConnectionLimiter,
    ConnectionLimits,
    ListenerKind,
    RefusalReason,
)


class ConnectionMetricsTests(MetricsCase):
    def test_refused(self) -> None:
        """Refused connections are counted by listener and reason; all reasons exist from the start."""
        self.metrics.connections.connection_refused(ListenerKind.TRANSIT, RefusalReason.ADDRESS)
        for listener in (ListenerKind.RENDEZVOUS, ListenerKind.TRANSIT):
            for reason in RefusalReason:
                counted = self.value(
                    "process_refused_connections_total",
                    entrance=listener.value,
                    reason=reason.value,
                )
                expected = (listener, reason) == (ListenerKind.TRANSIT, RefusalReason.ADDRESS)
                self.assertEqual(counted, expected)

    def test_watched(self) -> None:
        """The number of connections and their limit are read when the page is requested."""
        limiter = ConnectionLimiter(
            ConnectionLimits(None, None, None), self.metrics.connections, BoundObserver()
        )
        self.metrics.connections.watch(limiter)
        limiter.add(None, ListenerKind.TRANSIT)
        self.assertEqual(self.value("process_connections"), 1)
        self.assertEqual(self.value("process_connection_limit"), math.inf)
        limiter.limits = ConnectionLimits(5, None, None)
        self.assertEqual(self.value("process_connection_limit"), 5)
