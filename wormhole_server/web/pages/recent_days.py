"""
The last thirty days of the status page, from the usage records of all instances.

Owns when the database is asked, and for which days. The queries do not go through the ledger: on a busy
server they take a while, for which the commands of clients would wait. They run in a thread, on a
connection of their own that only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.ledger.worker import Worker
from wormhole_server.metrics.history import DAY, MINUTE, Tally, TimeSeries
from wormhole_server.web.cached_query import CachedQuery

_log = Logger()

# Tallies by the day, counted from the epoch, in UTC.
DailyTallies = Mapping[int, Tally]

DAYS = 30
_FRESH_SECONDS = MINUTE
# The page is sent without the days where the database does not answer in time.
_TIMEOUT_SECONDS = 2.0
# A record is written when a mailbox has ended, and counts for the day on which it began. So the last two
# days are read each time, and all of them once an hour: for mailboxes that lived longer, and for imported
# records.
_OPEN_DAYS = 2
_ALL_SECONDS = 3600.0


class RecentDays:
    """
    The last thirty days, from memory while they are fresh.

    :param clock: runs the timers; steady.
    :param day: returns the time of day, in seconds since the epoch.
    :param read: reads the tallies of a day, counted from the epoch, and of all days after it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        read: Callable[[int], Deferred[DailyTallies]],
    ) -> None:
        self._clock = clock
        self._day = day
        self._read = read
        self._query = CachedQuery(
            clock, self._ask, timeout_seconds=_TIMEOUT_SECONDS, fresh_seconds=_FRESH_SECONDS
        )
        self._days: DailyTallies = {}
        self._all_until = float("-inf")

    def __call__(self) -> Deferred[TimeSeries | None]:
        """Return the days; None where the database does not answer. Never fails."""
        return self._query().addErrback(self._failed)

    def _ask(self) -> Deferred[TimeSeries | None]:
        now = self._clock.seconds()
        today = int(self._day() // DAY)
        first = today - (_OPEN_DAYS if now < self._all_until else DAYS) + 1
        return self._read(first).addCallback(self._remember, first, today, now)

    def _remember(
        self, found: DailyTallies, first: int, today: int, now: float
    ) -> TimeSeries | None:
        if now >= self._all_until:
            self._all_until = now + _ALL_SECONDS
        self._days = {day: tally for day, tally in self._days.items() if day < first} | dict(found)
        days = range(today - DAYS + 1, today + 1)
        return TimeSeries(DAY, tuple(self._days.get(day, Tally()) for day in days))

    def _failed(self, failure: Failure) -> None:
        # /readyz and the metrics report an unavailable database.
        if failure.check(SQLAlchemyError, DeferredTimeout) is None:
            _log.failure("The days of the status page could not be read.", failure)


def read_in_thread(
    reactor: IReactorFromThreads, read: Callable[[], DailyTallies]
) -> Deferred[DailyTallies]:
    """
    Call a function in a thread that ends with it.

    It is not one of the reactor's threads: the process waits for those when it exits, and a database that has
    failed silently may never answer.
    """
    done: Deferred[DailyTallies] = Deferred()
    worker = Worker(reactor, "days")
    worker.run(lambda: partial(done.callback, read()), done.errback)
    worker.stop()
    return done
