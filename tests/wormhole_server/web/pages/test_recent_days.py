"""Tests of `wormhole_server.web.pages.recent_days`."""

from __future__ import annotations

import threading

from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.rendezvous.fakes import Reactor
from wormhole_server.metrics.history import DAY, Tally
from wormhole_server.web.pages.recent_days import DAYS, DailyTallies, RecentDays, read_in_thread

TODAY = 20_000


class RecentDaysTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make the days of a database that the test stands for."""
        self.clock = Clock()
        self.asked: list[tuple[int, Deferred[DailyTallies]]] = []
        self.days = RecentDays(self.clock, lambda: TODAY * DAY + self.clock.seconds(), self.read)

    def read(self, first: int) -> Deferred[DailyTallies]:
        """Note a query."""
        self.asked.append((first, Deferred()))
        return self.asked[-1][1]

    def answer(self, **sessions: int) -> None:
        """Answer the latest query, by the age of each day: d0 for today."""
        days = {TODAY - int(ago[1:]): Tally({}, count) for ago, count in sessions.items()}
        self.asked[-1][1].callback(days)

    def look(self, **sessions: int) -> list[int]:
        """Ask for the days, which makes a query; return the sessions of the latest three."""
        span = self.days()
        self.answer(**sessions)
        found = self.successResultOf(span)
        assert found is not None
        self.assertEqual(len(found.steps), DAYS)
        return [(step or Tally()).sessions for step in found.steps[-3:]]

    def test_at_most_once_a_minute(self) -> None:
        """Within a minute the answer is the same, and the database is not asked."""
        self.assertEqual(self.look(d2=1, d0=5), [1, 0, 5])
        self.clock.advance(59.0)
        self.assertIsNotNone(self.successResultOf(self.days()))
        self.assertEqual(len(self.asked), 1)

    def test_only_what_can_have_changed(self) -> None:
        """Days that are over are read again after an hour only."""
        self.look(d2=1, d1=2, d0=5)
        self.clock.advance(60.0)
        self.assertEqual(self.look(d1=3, d0=6), [1, 3, 6])
        self.clock.advance(3600.0)
        self.assertEqual(self.look(d2=9, d0=6), [9, 0, 6])
        self.assertEqual([TODAY - first for first, _ in self.asked], [29, 1, 29])

    def test_midnight(self) -> None:
        """At midnight the days move on."""
        self.look(d1=2, d0=5)
        self.clock.advance(DAY)
        self.assertEqual(self.look(d1=2, d0=5), [2, 5, 0])

    def test_together(self) -> None:
        """Callers share a query that is under way."""
        one, other = self.days(), self.days()
        self.answer(d0=1)
        self.assertEqual(self.successResultOf(one), self.successResultOf(other))
        self.assertEqual(len(self.asked), 1)

    def test_no_answer(self) -> None:
        """The days are missing while the database fails or does not answer in time."""
        failing = self.days()
        self.asked[-1][1].errback(OperationalError("SELECT", {}, OSError()))
        self.assertIsNone(self.successResultOf(failing))
        slow = self.days()
        self.clock.advance(2.0)
        self.assertIsNone(self.successResultOf(slow))
        self.answer(d0=3)
        self.assertIsNotNone(self.successResultOf(self.days()))

    def test_bug(self) -> None:
        """A bug is logged, and the days are missing."""
        failing = self.days()
        self.asked[-1][1].errback(ZeroDivisionError())
        self.assertIsNone(self.successResultOf(failing))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ThreadTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """The function runs in another thread; its result or exception arrives in the reactor's."""
        reactor = Reactor()
        names: list[str] = []

        def read() -> DailyTallies:
            names.append(threading.current_thread().name)
            return {TODAY: Tally()}

        def fail() -> DailyTallies:
            raise ZeroDivisionError

        self.assertEqual(reactor.result(read_in_thread(reactor, read)), {TODAY: Tally()})
        self.assertEqual(names, ["days"])
        with self.assertRaises(ZeroDivisionError):
            reactor.result(read_in_thread(reactor, fail))
