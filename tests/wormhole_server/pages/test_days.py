"""Tests of `wormhole_server.pages.days`."""

from __future__ import annotations

import threading

import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import schema
from rendezvous.moods import Mood
from tests.rendezvous.fakes import Reactor
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from wormhole_server.pages.days import DAYS, Days, RecentDays, in_a_thread, read_days
from wormhole_server.pages.tally import DAY, NOTHING, Tally
from wormhole_server.usage import relay_usage

TODAY = 20_000


class ReadingTests(StoreCase):
    """What the records say, on a real database."""

    __test__ = False

    def exchange(self, started: float, mood: str) -> None:
        """One mailbox has gone."""
        with self.store.engine.begin() as connection:
            row = {"app": "a", "started": started, "total_seconds": 1.0, "mood": mood}
            connection.execute(sa.insert(schema.mailbox_usage).values(**row, nameplate=True))

    def relayed(self, started: float, mood: str, waiting: float | None, byte_count: int) -> None:
        """One connection of the relay has gone."""
        with self.store.engine.begin() as connection:
            row = {"end": "tcp", "started": started, "total_seconds": 1.0, "mood": mood}
            connection.execute(
                sa.insert(relay_usage).values(**row, waiting_seconds=waiting, bytes=byte_count)
            )

    def test_nothing(self) -> None:
        """Without records there are no days."""
        self.assertEqual(read_days(self.store.engine, 0), {})

    def test_days(self) -> None:
        """Exchanges count by the day on which they began, and by outcome."""
        for started, mood in (
            (TODAY * DAY, "happy"),
            (TODAY * DAY + DAY - 1.0, "happy"),
            (TODAY * DAY + 5.5, "scary"),
            (TODAY * DAY - 1.0, "lonely"),
            (TODAY * DAY + DAY + 1.0, "happy"),
            # Of another server, whose records were imported.
            (TODAY * DAY + 1.0, "strange"),
        ):
            self.exchange(started, mood)
        found = read_days(self.store.engine, TODAY)
        self.assertEqual(set(found), {TODAY, TODAY + 1})
        self.assertEqual(found[TODAY].outcomes[Mood.HAPPY], 2)
        self.assertEqual(found[TODAY].outcomes[Mood.SCARY], 1)
        self.assertEqual(found[TODAY].exchanges, 3)

    def test_relay(self) -> None:
        """A pair counts once, and the bytes of all connections."""
        big = 1 << 45
        for mood, waiting, byte_count in (
            ("happy", 0.0, big),
            ("jilted", 3.0, 1),
            ("errory", 1.0, 2),
            ("jilted", 0.0, 4),
            ("lonely", None, 0),
            ("redundant", None, 0),
        ):
            self.relayed(TODAY * DAY + 1.0, mood, waiting, byte_count)
        (tally,) = read_days(self.store.engine, TODAY).values()
        self.assertEqual((tally.sessions, tally.relayed), (2, big + 7))


class SqliteReadingTests(OnSqlite, ReadingTests):
    """On SQLite."""

    __test__ = True


class PostgresReadingTests(OnPostgres, ReadingTests):
    """On PostgreSQL."""

    __test__ = True


class RecentTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A database whose answers the test gives."""
        self.clock = Clock()
        self.asked: list[tuple[int, Deferred[Days]]] = []
        self.days = RecentDays(self.clock, lambda: TODAY * DAY + self.clock.seconds(), self.read)

    def read(self, first: int) -> Deferred[Days]:
        """One more question."""
        self.asked.append((first, Deferred()))
        return self.asked[-1][1]

    def answer(self, **sessions: int) -> None:
        """Answer the latest question: by the days that have gone since, d0 for today."""
        days = {TODAY - int(ago[1:]): Tally({}, count) for ago, count in sessions.items()}
        self.asked[-1][1].callback(days)

    def look(self, **sessions: int) -> list[int]:
        """Ask for the days, where they are to be asked for; the sessions of the latest three."""
        span = self.days()
        self.answer(**sessions)
        found = self.successResultOf(span)
        assert found is not None
        self.assertEqual(len(found.steps), DAYS)
        return [(step or NOTHING).sessions for step in found.steps[-3:]]

    def test_at_most_once_a_minute(self) -> None:
        """Whoever looks within a minute gets the same, and the database is not asked."""
        self.assertEqual(self.look(d2=1, d0=5), [1, 0, 5])
        self.clock.advance(59.0)
        self.assertIsNotNone(self.successResultOf(self.days()))
        self.assertEqual(len(self.asked), 1)

    def test_only_what_can_have_changed(self) -> None:
        """Days that are over are not read again until an hour has gone."""
        self.look(d2=1, d1=2, d0=5)
        self.clock.advance(60.0)
        self.assertEqual(self.look(d1=3, d0=6), [1, 3, 6])
        self.clock.advance(3600.0)
        self.assertEqual(self.look(d2=9, d0=6), [9, 0, 6])
        self.assertEqual([TODAY - first for first, _ in self.asked], [29, 1, 29])

    def test_midnight(self) -> None:
        """A new day moves the others on."""
        self.look(d1=2, d0=5)
        self.clock.advance(DAY)
        self.assertEqual(self.look(d1=2, d0=5), [2, 5, 0])

    def test_together(self) -> None:
        """Who asks while the database is thinking gets the same answer."""
        one, other = self.days(), self.days()
        self.answer(d0=1)
        self.assertEqual(self.successResultOf(one), self.successResultOf(other))
        self.assertEqual(len(self.asked), 1)

    def test_no_answer(self) -> None:
        """Where the database fails, or does not answer in time, the days are missing; and then back."""
        failing = self.days()
        self.asked[-1][1].errback(sa.exc.OperationalError("SELECT", {}, OSError()))
        self.assertIsNone(self.successResultOf(failing))
        slow = self.days()
        self.clock.advance(2.0)
        self.assertIsNone(self.successResultOf(slow))
        self.answer(d0=3)
        self.assertIsNotNone(self.successResultOf(self.days()))

    def test_bug(self) -> None:
        """What is not the database's fault is logged, and the page goes without the days."""
        failing = self.days()
        self.asked[-1][1].errback(ZeroDivisionError())
        self.assertIsNone(self.successResultOf(failing))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ThreadTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """What is read, or what reading raises, comes back to the reactor's thread, from another."""
        reactor = Reactor()
        names: list[str] = []

        def read() -> Days:
            names.append(threading.current_thread().name)
            return {TODAY: NOTHING}

        def fail() -> Days:
            raise ZeroDivisionError

        self.assertEqual(reactor.result(in_a_thread(reactor, read)), {TODAY: NOTHING})
        self.assertEqual(names, ["days"])
        with self.assertRaises(ZeroDivisionError):
            reactor.result(in_a_thread(reactor, fail))
