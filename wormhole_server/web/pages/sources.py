"""
The live source of the pages: reads what they show from the parts of the running server.

Owns which part knows what. Long queries run in a thread, on a connection of their own.
"""

from __future__ import annotations

import attrs
from sqlalchemy import Engine
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.web.server import Request

from rendezvous.connections.websocket import RendezvousFactory
from rendezvous.server import Rendezvous
from rendezvous.welcome import Welcome
from transit_relay.relay import Relay
from wormhole_server.metrics.history import Tally
from wormhole_server.metrics.registry import Metrics
from wormhole_server.usage.report.statistics import read_daily_tallies
from wormhole_server.web.addresses import PublicAddresses, ServerAddresses
from wormhole_server.web.pages.recent_days import DailyTallies, read_in_thread
from wormhole_server.web.pages.snapshot import CurrentConnections
from wormhole_server.web.site import uses_tls


@attrs.frozen(kw_only=True)
class LivePagesSource:
    """The `wormhole_server.web.pages.service.PagesSource` of a running server."""

    reactor: ReactorBase
    engine: Engine
    public_addresses: PublicAddresses
    rendezvous: Rendezvous
    clients: RendezvousFactory
    relay: Relay
    metrics: Metrics
    several_instances: bool
    version: str | None

    def addresses(self, request: Request) -> ServerAddresses:
        host = request.getHeader(b"host")
        return self.public_addresses.for_browser(
            None if host is None else host.decode("latin-1"), secure=uses_tls(request)
        )

    def welcome(self) -> Welcome:
        return self.rendezvous.welcome

    def client_loaded(self) -> None:
        self.metrics.web.page_loaded()

    def connections(self) -> CurrentConnections:
        live = self.relay.live
        return CurrentConnections(self.clients.connections.count, live.waiting, live.paired // 2)

    def tally(self) -> Tally:
        return self.metrics.tally()

    def read_days(self, first_day: int) -> Deferred[DailyTallies]:
        def read() -> DailyTallies:
            with self.engine.connect() as connection:
                return read_daily_tallies(connection, first_day)

        return read_in_thread(self.reactor, read)
