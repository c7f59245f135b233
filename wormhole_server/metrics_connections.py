"""
What is counted of connections before anybody knows what they want: how many there are, and who was refused.

Owns these series.
"""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter

from wormhole_server.admission import Admissions, Entrance, Refusal
from wormhole_server.metrics_series import Series

_CLIENTS = (Entrance.RENDEZVOUS, Entrance.TRANSIT)


class ConnectionMetrics:
    """Connections at the door."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._series = Series(registry, "wormhole_process")
        refused = Counter(
            "wormhole_process_refused_connections",
            "Connections that were not let in, by where they came and why: as many as there may be "
            "(full), too many from one address (address), no file descriptor left (descriptors), or "
            "a trusted proxy whose PROXY header was broken or late (proxy-header).",
            ["entrance", "reason"],
            registry=registry,
        )
        self._refused = {
            (entrance, reason): refused.labels(entrance.value, reason.value)
            for entrance in Entrance
            for reason in Refusal
            # Only clients are counted and limited.
            if entrance in _CLIENTS or reason is Refusal.DESCRIPTORS
        }

    def refused(self, entrance: Entrance, reason: Refusal) -> None:
        """A connection was not let in."""
        self._refused[entrance, reason].inc()

    def watch(self, admissions: Admissions) -> None:
        """Show who is in, and how many may be."""
        self._series.read(
            "connections",
            "Connections of clients that are there now, rendezvous and relay together.",
            lambda: admissions.total,
        )
        self._series.read(
            "connection_limit",
            "How many connections of clients there may be; +Inf where there is no limit.",
            lambda: math.inf if admissions.limits.total is None else admissions.limits.total,
        )
