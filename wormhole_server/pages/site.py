"""
The pages for people, put together: what is at / and below it, and the timer behind them.

Owns which page is handed what.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

from wormhole_server.pages.days import Days, RecentDays
from wormhole_server.pages.home import Home, Words
from wormhole_server.pages.sampler import Sampler
from wormhole_server.pages.snapshot import Now, Snapshot, blurred
from wormhole_server.pages.status import Board, Status
from wormhole_server.pages.tally import History, Tally
from wormhole_server.reach import Reach


@attrs.frozen(kw_only=True)
class Sources:
    """
    Where the pages have it from; each is asked when somebody looks.

    :ivar reach: see `Home`.
    :ivar words: what the operator tells clients.
    :ivar came_securely: whether somebody has come through TLS.
    :ivar now: who is here.
    :ivar counted: everything since the process began.
    :ivar read_days: what the records say of the days from one on.
    :ivar several: whether other instances may write to the same database.
    """

    version: str
    reach: Callable[[str | None, bool], Reach]
    words: Callable[[], Words]
    came_securely: Callable[[Request], bool]
    now: Callable[[], Now]
    counted: Callable[[], Tally]
    read_days: Callable[[int], Deferred[Days]]
    several: bool


class Pages:
    """
    The pages.

    :param steady: runs timers and measures durations.
    :param day: seconds since the epoch, for what is written down.
    :param status: whether there is a status page.
    :ivar blur_seconds: what usage records are blurred to, and so the least that a step may show.
    :ivar root: the page at /, with the others below it.
    """

    def __init__(
        self, steady: IReactorTime, day: Callable[[], float], sources: Sources, *, status: bool
    ) -> None:
        self._steady = steady
        self._day = day
        self._sources = sources
        self._history = History()
        self._sampler = Sampler(steady, self.sample)
        self._days = RecentDays(steady, day, sources.read_days)
        self._began = steady.seconds()
        self._has_status = status
        self.blur_seconds: float | None = None
        self.root: Resource = Home(
            sources.reach, sources.words, sources.came_securely, status=status
        )
        if status:
            board = Board(steady, self._look)
            self.root.putChild(b"status", Status(board))
            self.root.putChild(b"status.json", Status(board, always_json=True))

    def start(self) -> None:
        """Begin to count."""
        if self._has_status:
            self._sampler.start()

    def stop(self) -> None:
        """No timer runs after this."""
        self._sampler.stop()

    def sample(self) -> None:
        """Take down what has been counted."""
        self._history.note(self._day(), self._sources.counted())

    def _look(self) -> Deferred[Snapshot]:
        self.sample()
        return Deferred.fromCoroutine(self._snapshot())

    async def _snapshot(self) -> Snapshot:
        days = await self._days()
        sources, now = self._sources, self._day()
        return Snapshot(
            at=now,
            uptime_seconds=self._steady.seconds() - self._began,
            version=sources.version,
            now=sources.now(),
            minutes=blurred(self._history.minutes(now), self.blur_seconds),
            hours=blurred(self._history.hours(now), self.blur_seconds),
            days=blurred(days, self.blur_seconds),
            several=sources.several,
        )
