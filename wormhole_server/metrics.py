"""
What is counted: all series together, in a registry of their own.

Each part of the program has its series in a module beside this one. Everything here runs on the
reactor's thread.
"""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry

from wormhole_server.metrics_connections import ConnectionMetrics
from wormhole_server.metrics_files import FileMetrics
from wormhole_server.metrics_process import ProcessMetrics
from wormhole_server.metrics_relay import RelayMetrics
from wormhole_server.metrics_rendezvous import RendezvousMetrics
from wormhole_server.pages.tally import Tally

__all__ = [
    "ConnectionMetrics",
    "FileMetrics",
    "Metrics",
    "ProcessMetrics",
    "RelayMetrics",
    "RendezvousMetrics",
]


class Metrics:
    """
    All of them.

    :ivar registry: what `/metrics` is made from.
    """

    def __init__(self, version: str) -> None:
        # One `_created` series beside every counter doubles a page that nobody reads them on.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.rendezvous = RendezvousMetrics(self.registry)
        self.relay = RelayMetrics(self.registry)
        self.process = ProcessMetrics(self.registry, version)
        self.files = FileMetrics(self.registry)
        self.connections = ConnectionMetrics(self.registry)

    def tally(self) -> Tally:
        """What has happened since the process began, as far as the status page is about it."""
        return Tally(self.rendezvous.outcomes(), self.relay.sessions(), self.relay.relayed_bytes())
