"""
The pages for people, tied to the parts of the server that they tell of.

A composition root: it hands out the look at the network, and a thread for long questions to the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from rendezvous.server import Rendezvous
from rendezvous.websocket import RendezvousFactory
from transit_relay.relay import Relay
from wormhole_server.metrics import Metrics
from wormhole_server.pages.days import Days, in_a_thread, read_days
from wormhole_server.pages.site import Pages, Sources
from wormhole_server.pages.snapshot import Now
from wormhole_server.paste import local_host
from wormhole_server.reach import Listener, Public, Reach, reach, reach_of_visitor
from wormhole_server.settings import Settings
from wormhole_server.version import VERSION
from wormhole_server.web import came_securely


class Reachable:
    """
    Where clients reach the server, once it listens.

    :param listening: the ports, by the name of their option.
    """

    def __init__(self, settings: Settings, listening: Mapping[str, Sequence[Listener]]) -> None:
        self._public = Public(settings.public_host, settings.public_url, settings.public_transit)
        self._listening = listening

    def from_outside(self) -> Reach:
        """As the operator has said, or else as this machine guesses."""
        rendezvous, transit = (self._listening.get(each, ()) for each in ("rendezvous", "transit"))
        return reach(rendezvous, transit, self._public, local_host)

    def of_visitor(self, host: str | None, secure: bool) -> Reach:
        """For somebody who has found the web root."""
        return reach_of_visitor(
            host,
            secure=secure,
            transit=self._listening.get("transit", ()),
            public=self._public,
            otherwise=self.from_outside,
        )


def people_pages(
    reactor: ReactorBase,
    day: IReactorTime,
    settings: Settings,
    engine: Engine,
    *,
    reachable: Reachable,
    rendezvous: Rendezvous,
    clients: RendezvousFactory,
    relay: Relay,
    metrics: Metrics,
    several: bool,
) -> Pages:
    """
    The pages of one server.

    :param day: the clock of the day.
    :param several: whether other instances may write to the same database.
    """

    def now() -> Now:
        live = relay.live
        return Now(len(clients.connections), live.waiting, live.paired // 2)

    def read(first: int) -> Deferred[Days]:
        return in_a_thread(reactor, lambda: read_days(engine, first))

    sources = Sources(
        version=VERSION,
        reach=reachable.of_visitor,
        words=lambda: rendezvous.welcome,
        came_securely=came_securely,
        now=now,
        counted=metrics.tally,
        read_days=read,
        several=several,
    )
    pages = Pages(reactor, day.seconds, sources, status=settings.status_page)
    pages.blur_seconds = settings.blur_usage
    return pages
