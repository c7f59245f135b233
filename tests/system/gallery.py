"""
The pages for people, with a month of made-up traffic behind them: for tests and pictures.

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

from rendezvous.moods import Mood
from rendezvous.server import Welcome
from wormhole_server.http import PrivateSite
from wormhole_server.pages.days import DAYS, Days
from wormhole_server.pages.site import Pages, Sources
from wormhole_server.pages.snapshot import Now
from wormhole_server.pages.tally import DAY, Tally
from wormhole_server.reach import Public, Reach, reach_of_visitor

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

    def days(self, first: int) -> Days:
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


@attrs.frozen
class Gallery:
    """The pages, as they are after a day."""

    pages: Pages


def gallery(*, empty: bool = False) -> Gallery:
    """Let a day go by."""
    clock, traffic = Clock(), Traffic()
    began = _NOW - (0.0 if empty else DAY + 7200)

    def reached(host: str | None, secure: bool) -> Reach:
        otherwise = Reach("wss://wormhole.example.org/v1", "tcp:wormhole.example.org:4001")
        return reach_of_visitor(
            None if empty else host,
            secure=secure,
            transit=[],
            public=Public("wormhole.example.org"),
            otherwise=lambda: otherwise,
        )

    def days(first: int) -> Deferred[Days]:
        return succeed({} if empty else traffic.days(first))

    pages = Pages(
        clock,
        lambda: began + clock.seconds(),
        Sources(
            version="1.0.0",
            reach=reached,
            words=lambda: Welcome(
                motd=None if empty else "On 1 May this server moves; nothing to do."
            ),
            came_securely=lambda request: True,
            now=lambda: Now(0, 0, 0) if empty else Now(37, 2, 5),
            counted=lambda: traffic.counted,
            read_days=days,
            several=not empty,
        ),
        status=True,
    )
    while began + clock.seconds() < _NOW:
        traffic.counted += traffic.some(began + clock.seconds(), _STEP_SECONDS)
        pages.sample()
        clock.advance(_STEP_SECONDS)
    assert DAYS == 30
    return Gallery(pages)


def _serve() -> None:
    reactor: Any = _reactor
    root = gallery(empty="--empty" in sys.argv).pages.root
    site = PrivateSite("Gallery", reactor, root, 10.0)
    port: Port = reactor.listenTCP(0, site, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    _serve()
