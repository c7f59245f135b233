"""A source for the pages, and what a browser makes of them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.web.server import Request

from rendezvous.protocol.moods import Mood
from rendezvous.welcome import Welcome
from tests.rendezvous.servers import WELCOME
from wormhole_limits.bounds import Bound
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.listening.ports import BoundEndpoint
from wormhole_server.metrics.history import DAY, HOUR, MINUTE, Tally, TimeSeries
from wormhole_server.web.addresses import PublicAddresses, ServerAddresses
from wormhole_server.web.pages.recent_days import DailyTallies
from wormhole_server.web.pages.snapshot import CurrentConnections, StatusSnapshot
from wormhole_server.web.path_prefix import PathPrefix

RENDEZVOUS = BoundEndpoint(Endpoint("tcp:4000"), IPv4Address("TCP", "0.0.0.0", 4000))
RELAY = BoundEndpoint(Endpoint("tcp:4001"), IPv4Address("TCP", "0.0.0.0", 4001))

_TALLY = Tally({Mood.HAPPY: 3}, 2, 5 << 30)
SNAPSHOT = StatusSnapshot(
    time=20_000 * DAY + 90.0,
    uptime_seconds=90.0,
    version="1.2.3",
    web_client=None,
    now=CurrentConnections(clients=12, waiting=3, pairs=4),
    minutes=TimeSeries(MINUTE, (None, _TALLY)),
    hours=TimeSeries(HOUR, (_TALLY,)),
    days=TimeSeries(DAY, (_TALLY,)),
    bounds={Bound.STORED: 1200, Bound.RELAY_WAITING: 34, Bound.DISK: 0},
    several_instances=False,
)


class FakeSource:
    """
    A `wormhole_server.web.pages.service.PagesSource`, of a server on the usual ports.

    :ivar secure: whether requests have used TLS.
    :ivar queries: the database queries, which the test answers.
    :ivar loads: how often the browser client's page was sent.
    """

    def __init__(self, *, several_instances: bool = False) -> None:
        self.version = "1.2.3"
        self.several_instances = several_instances
        self.public = public_addresses()
        self.secure = False
        self.greeting = WELCOME
        self.counted = Tally()
        self.queries: list[Deferred[DailyTallies]] = []
        self.loads = 0

    def addresses(self, request: Request) -> ServerAddresses:
        host = request.getHeader(b"host")
        return self.public.for_browser(
            None if host is None else host.decode("latin-1"), secure=self.secure
        )

    def welcome(self) -> Welcome:
        return self.greeting

    def client_loaded(self) -> None:
        self.loads += 1

    def connections(self) -> CurrentConnections:
        return CurrentConnections(clients=12, waiting=3, pairs=4)

    def tally(self) -> Tally:
        return self.counted

    def read_days(self, first_day: int) -> Deferred[DailyTallies]:
        self.queries.append(Deferred())
        return self.queries[-1]


def public_addresses(host: str | None = None, url: str | None = None) -> PublicAddresses:
    """Return the addresses of a server on the usual ports, which guesses that it is called fallback."""
    bound = {"rendezvous": [RENDEZVOUS], "transit": [RELAY]}
    return PublicAddresses(host, url, None, PathPrefix(None), bound, lambda: "fallback")


class Outline(HTMLParser):
    """
    What a browser makes of a page.

    :ivar words: its texts.
    :ivar commands: the texts of its `pre` elements.
    :ivar addresses: what it links to and loads.
    :ivar tags: its kinds of elements.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.commands: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self._command = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        if tag == "pre":
            self._command = True
            self.commands.append("")

    def handle_endtag(self, tag: str) -> None:
        self._command = self._command and tag != "pre"

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._command:
            self.commands[-1] += data
