"""
What is counted of the process itself: what the kernel says of it, and how long its reactor keeps events
waiting.

Owns these series.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, ProcessCollector

from wormhole_server.metrics_series import Series

# One part in a hundred of what a person notices, up to what makes clients give up.
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class ProcessMetrics:
    """
    The process.

    :ivar reactor_lag_seconds: to be told how late the reactor is, again and again.
    """

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        # CPU, memory, descriptors and their limit, and when it began.
        ProcessCollector(namespace="wormhole", registry=registry)
        series = Series(registry, "wormhole_process")
        self.reactor_lag_seconds = series.histogram(
            "reactor_lag_seconds",
            "How late a timer ran: what any event has to wait for those before it.",
            _LAG_SECONDS,
        )
        self._lost_usage = series.counter(
            "lost_usage_records", "Usage records of the relay that could not be written."
        )
        series.gauge("info", "Always 1; its label is the version.", ["version"]).labels(
            version
        ).set(1)

    def usage_lost(self, records: int) -> None:
        """So many usage records were not written."""
        self._lost_usage.inc(records)
