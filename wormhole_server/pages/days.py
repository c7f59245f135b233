"""
The last thirty days, from the usage records: of all instances, and from before the last restart.

Owns the questions to the database and how often they are asked. They do not go through the ledger: adding
up a month of a busy server takes a while, for which no client may wait. They run in a thread, on a
connection of their own that only reads; nearly all of the time is the database's, not the interpreter's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous import schema
from rendezvous.moods import Mood
from rendezvous.worker import Worker
from transit_relay.observer import Mood as RelayMood
from wormhole_server.pages.tally import DAY, MINUTE, NOTHING, Span, Tally
from wormhole_server.shared import Shared
from wormhole_server.usage import relay_usage

_log = Logger()

DAYS = 30
# Whoever looks twice a minute sees the same days.
_FRESH_SECONDS = MINUTE
# A record is written when its mailbox is gone, and counts for the day on which it came: two days are looked
# at anew each time, and all of them now and then, for what lived longer or has been imported.
_OPEN_DAYS = 2
_ALL_SECONDS = 3600.0
# Whoever opens the page gets it without the days where the database does not answer in time.
_PATIENCE_SECONDS = 2.0

_M, _R = schema.mailbox_usage, relay_usage


def _day(started: sa.Column[float]) -> sa.ColumnElement[int]:
    # Whole numbers divide alike everywhere; that one of the two databases rounds moves midnight by half a
    # second.
    return sa.cast(started, sa.BigInteger) // DAY


_OUTCOMES = (
    sa.select(_day(_M.c.started), _M.c.mood, sa.func.count())
    .where(_M.c.started >= sa.bindparam("since"))
    .group_by(sa.text("1"), _M.c.mood)
)
_paired = sa.and_(_R.c.waiting_seconds.is_not(None), _R.c.mood != RelayMood.JILTED.value)
_RELAYED = (
    sa.select(
        _day(_R.c.started),
        sa.func.count(sa.case((_paired, 1))),
        sa.cast(sa.func.sum(_R.c.bytes), sa.BigInteger),
    )
    .where(_R.c.started >= sa.bindparam("since"))
    .group_by(sa.text("1"))
)
_MOODS = {mood.value: mood for mood in Mood}

Days = Mapping[int, Tally]


def read_days(engine: Engine, first: int) -> Days:
    """
    What the records say, by the day.

    :param first: the first day to look at, counted from the epoch, in UTC.
    """
    found: dict[int, Tally] = {}
    with engine.connect() as connection:
        for day, mood, count in connection.execute(_OUTCOMES, {"since": first * DAY}):
            if mood in _MOODS:
                found[day] = found.get(day, NOTHING) + Tally({_MOODS[mood]: count})
        for day, sessions, relayed in connection.execute(_RELAYED, {"since": first * DAY}):
            found[day] = found.get(day, NOTHING) + Tally({}, sessions, relayed)
    return found


def in_a_thread(reactor: IReactorFromThreads, read: Callable[[], Days]) -> Deferred[Days]:
    """
    What `read` returns, or raises, from a thread that ends with it.

    None of the reactor's own: those are waited for when the process ends, and a database that has gone
    without a word may never answer.
    """
    done: Deferred[Days] = Deferred()

    def task() -> Callable[[], object]:
        try:
            found = read()
        except Exception:  # handed to the reactor's thread
            return partial(done.errback, Failure())
        return partial(done.callback, found)

    worker = Worker(reactor, "days")
    worker.do(task)
    worker.stop()
    return done


class RecentDays:
    """
    The days, from memory while they are fresh.

    :param day: seconds since the epoch.
    :param read: asks the records for the days from one on; see `read_days`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        read: Callable[[int], Deferred[Days]],
    ) -> None:
        self._clock = clock
        self._day = day
        self._read = read
        self._shared = Shared(clock, self._ask, _PATIENCE_SECONDS)
        self._days: dict[int, Tally] = {}
        self._known: Span | None = None
        self._fresh_until = float("-inf")
        self._all_until = float("-inf")

    def __call__(self) -> Deferred[Span | None]:
        """The days; None where the database does not answer. Never fails."""
        if self._clock.seconds() < self._fresh_until:
            return succeed(self._known)
        return self._shared().addErrback(self._unknown)

    def _ask(self) -> Deferred[Span | None]:
        now = self._clock.seconds()
        today = int(self._day() // DAY)
        first = today - DAYS + 1
        if now < self._all_until:
            first = today - _OPEN_DAYS + 1
        return self._read(first).addCallback(self._remember, first, today, now)

    def _remember(self, found: Days, first: int, today: int, now: float) -> Span | None:
        if now >= self._all_until:
            self._all_until = now + _ALL_SECONDS
        self._days = {day: tally for day, tally in self._days.items() if day < first} | dict(found)
        days = range(today - DAYS + 1, today + 1)
        self._known = Span(DAY, tuple(self._days.get(day, NOTHING) for day in days))
        self._fresh_until = now + _FRESH_SECONDS
        return self._known

    def _unknown(self, failure: Failure) -> None:
        # Of a database that is away /readyz tells.
        if failure.check(SQLAlchemyError, DeferredTimeout) is None:
            _log.failure("The days of the status page cannot be added up.", failure)
