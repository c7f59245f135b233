"""
The metrics of one server: all series, in a registry of their own.

Owns which parts of the program have series; each has them in a module beside this one.
"""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry

from wormhole_server.metrics.bounds import BoundMetrics
from wormhole_server.metrics.connections import ConnectionMetrics
from wormhole_server.metrics.files import FileMetrics
from wormhole_server.metrics.history import Tally
from wormhole_server.metrics.process import ProcessMetrics
from wormhole_server.metrics.relay import RelayMetrics
from wormhole_server.metrics.rendezvous import RendezvousMetrics
from wormhole_server.metrics.web import WebMetrics


class Metrics:
    """
    The metrics of one server.

    :ivar registry: what `/metrics` is made from.
    """

    def __init__(self, version: str) -> None:
        # A `_created` series beside every counter would double the page, and nothing uses them.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.rendezvous = RendezvousMetrics(self.registry)
        self.relay = RelayMetrics(self.registry)
        self.process = ProcessMetrics(self.registry, version)
        self.files = FileMetrics(self.registry)
        self.connections = ConnectionMetrics(self.registry)
        self.bounds = BoundMetrics(self.registry)
        self.web = WebMetrics(self.registry)

    def tally(self) -> Tally:
        """Return what the status page shows of everything since the process began."""
        return Tally(
            self.rendezvous.outcomes(),
            self.relay.sessions(),
            self.relay.relayed_bytes(),
            self.bounds.counts(),
        )
