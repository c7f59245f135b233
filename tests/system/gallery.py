"""
The pages with a month of made-up traffic behind them, for tests and pictures.

    python -m tests.system.gallery [--empty]

prints the port that it serves them on, on 127.0.0.1, until it is ended.
"""

from __future__ import annotations

import math
import random
import sys
from typing import Any

import attrs
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from twisted.web.server import Request

from rendezvous.protocol.moods import Mood
from rendezvous.welcome import Welcome
from tests.schedulers import make_scheduler
from wormhole_server.metrics.history import DAY, Tally
from wormhole_server.web.addresses import ServerAddresses
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.recent_days import DAYS, DailyTallies
from wormhole_server.web.pages.service import PagesService
from wormhole_server.web.pages.snapshot import CurrentConnections

# A Monday morning in spring.
_NOW = 1_775_463_240.0
_STEP_SECONDS = 60.0
_SHARES = {
    Mood.HAPPY: 0.80,
    Mood.LONELY: 0.12,
    Mood.PRUNEY: 0.035,
    Mood.SCARY: 0.02,
    Mood.ERRORY: 0.015,
    Mood.CROWDED: 0.01,
}


class Traffic:
    """Made up, and the same each time."""

    def __init__(self) -> None:
        self._dice = random.Random(7)
        self.counted = Tally()

    def some(self, at: float, seconds: float) -> Tally:
        """What happened in so many seconds from `at` on: little at night and at the weekend."""
        hour, weekday = at % DAY / 3600, (at // DAY + 3) % 7
        busy = 0.25 + max(0.0, math.sin((hour - 6) / 24 * 2 * math.pi)) ** 1.5
        mean = 4.0 * busy * (0.45 if weekday >= 5 else 1.0) * seconds / 60
        exchanges = max(0, round(self._dice.gauss(mean, math.sqrt(mean))))
        moods = self._dice.choices(list(_SHARES), list(_SHARES.values()), k=exchanges)
        sessions = sum(mood is Mood.HAPPY and self._dice.random() < 0.35 for mood in moods)
        sizes = [self._dice.lognormvariate(16.5, 2.2) for _ in range(sessions)]
        return Tally({mood: moods.count(mood) for mood in Mood}, sessions, int(sum(sizes)))

    def days(self, first: int) -> DailyTallies:
        """What records would say."""
        today = int(_NOW // DAY)
        ends = {day: DAY if day < today else _NOW % DAY for day in range(first, today + 1)}
        return {
            day: sum(
                (
                    self.some(day * DAY + start, min(3600.0, end - start))
                    for start in range(0, int(end), 3600)
                ),
                Tally(),
            )
            for day, end in ends.items()
        }


@attrs.define
class MadeUpSource:
    """
    The figures and addresses of a server that does not exist.

    :ivar empty: whether nothing has happened on it.
    """

    traffic: Traffic
    empty: bool
    version: str = "1.0.0"

    @property
    def several_instances(self) -> bool:
        return not self.empty

    def addresses(self, request: Request) -> ServerAddresses:
        return ServerAddresses("wss://wormhole.example.org/v1", "tcp:wormhole.example.org:4001")

    def welcome(self) -> Welcome:
        motd = None if self.empty else "On 1 May this server moves; nothing to do."
        return Welcome(motd, None, None)

    def client_loaded(self) -> None:
        pass

    def connections(self) -> CurrentConnections:
        return CurrentConnections(0, 0, 0) if self.empty else CurrentConnections(37, 2, 5)

    def tally(self) -> Tally:
        return self.traffic.counted

    def read_days(self, first_day: int) -> Deferred[DailyTallies]:
        return succeed({} if self.empty else self.traffic.days(first_day))


def gallery(*, empty: bool = False) -> PagesService:
    """Make the pages as they are after a day."""
    clock, traffic = Clock(), Traffic()
    began = _NOW - (0.0 if empty else DAY + 7200)
    pages = PagesService(
        clock,
        lambda: began + clock.seconds(),
        MadeUpSource(traffic, empty),
        None,
        private=False,
        status=True,
        client=None,
    )
    while began + clock.seconds() < _NOW:
        traffic.counted += traffic.some(began + clock.seconds(), _STEP_SECONDS)
        pages.sample()
        clock.advance(_STEP_SECONDS)
    assert DAYS == 30
    return pages


def _serve() -> None:
    reactor: Any = _reactor
    root = gallery(empty="--empty" in sys.argv).root
    site = PrivateSite("Gallery", make_scheduler(reactor), root, 10.0)
    port: Port = reactor.listenTCP(0, site, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    _serve()
