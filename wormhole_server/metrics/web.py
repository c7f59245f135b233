"""
Metrics of the web client's page.

Owns these series.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from wormhole_server.metrics.series import Series


class WebMetrics:
    """Counts how often the page is loaded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._loads = Series(registry, "wormhole_web").counter(
            "page_loads", "Times that the web client's page was sent to a browser."
        )

    def page_loaded(self) -> None:
        """Count one."""
        self._loads.inc()
