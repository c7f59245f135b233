"""Tests of `rendezvous.ledger.postgres`, on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import event
from twisted.logger import capturedLogs, formatEvent

from rendezvous.database import open_engine
from rendezvous.errors import ErrorKind, LedgerUnavailable, Refusal
from rendezvous.ledger import postgres, postgres_connection
from rendezvous.ledger.announcement import CHANNEL, NewMessages, decode
from rendezvous.ledger.keys import lock_key
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.pipeline import Pipeline, QueryResult
from rendezvous.ledger.postgres import PostgresRunner
from rendezvous.ledger.transaction import Transaction
from rendezvous.ledger.worker import Worker
from tests.rendezvous.fakes import FailingObserver
from tests.rendezvous.ledger.postgres_case import (
    ADD,
    BACKEND,
    COUNT_UP,
    PAUSE,
    PostgresCase,
    add,
    read,
    refuse_connection,
)
from tests.rendezvous.servers import open_test_runners
from tests.schedulers import make_scheduler


class PostgresRunnerTests(PostgresCase):
    """Batches in a thread."""

    def test_durable_then_told(self) -> None:
        """When a result is told, another connection sees what was written."""
        seen = []
        told = self.submit(add(1, "one")).addCallback(lambda _: seen.append(self.seen()))
        self.result(told)
        self.assertEqual(seen, [[1]])

    def test_batch(self) -> None:
        """What was submitted in one turn is one transaction; each sees what those before it wrote."""
        told = [self.submit(add(1)), self.submit(read), self.submit(add(2)), self.submit(read)]
        self.assertEqual([self.result(each) for each in told], [None, [1], None, [1, 2]])
        self.assertEqual(self.observer.batches, [4])

    def test_refusal(self) -> None:
        """A refusal touches nobody else, and what was written before it stays."""

        def refuse(tx: Transaction) -> None:
            tx.run(ADD, the_number=2)
            raise Refusal(ErrorKind.CROWDED)

        told = [self.submit(add(1)), self.submit(refuse), self.submit(add(3))]
        self.result(told[0])
        self.failureResultOf(told[1], Refusal)
        self.successResultOf(told[2])
        self.assertEqual(self.seen(), [1, 2, 3])

    def test_exception(self) -> None:
        """An operation that falls over is undone alone; its neighbours are run again and take place."""

        def fail(tx: Transaction) -> None:
            tx.run(ADD, the_number=2)
            raise ZeroDivisionError

        told = [self.submit(add(1)), self.submit(fail), self.submit(add(3))]
        self.result(told[0])
        self.failureResultOf(told[1], ZeroDivisionError)
        self.successResultOf(told[2])
        self.assertEqual(self.seen(), [1, 3])
        self.assertEqual((self.observer.counts["batch_failed"], self.observer.batches), (1, [1, 1]))

    def test_statement_that_fails(self) -> None:
        """A statement that the database refuses concerns its own operation only."""
        told = [self.submit(add(number)) for number in (1, 1, 2)]
        self.result(told[0])
        self.failureResultOf(told[1], psycopg.errors.UniqueViolation)
        self.successResultOf(told[2])
        self.assertEqual(self.seen(), [1, 2])

    def test_round_trips(self) -> None:
        """The operations of a batch ask side by side: as many exchanges as one of them, and the commit."""
        exchanges: list[int] = []

        class Counting(Pipeline):
            def exchange(self) -> None:
                exchanges.append(1)
                super().exchange()

        def ask(tx: Transaction) -> None:
            tx.all(BACKEND)
            tx.all(BACKEND)

        self.patch(postgres_connection, "Pipeline", Counting)
        told = [self.submit(ask, lane) for lane in (0, 2, 4)]
        for each in told:
            self.result(each)
        self.assertEqual((len(exchanges), self.observer.batches), (3, [3]))

    def test_measured(self) -> None:
        """The observer is told how long a commit took; one that was only asked after took no time."""
        self.reactor.advance(100.0)
        self.lose_a_commit()
        self.result(self.submit(add(1)))
        self.result(self.submit(add(2)))
        self.assertEqual(self.observer.commit_seconds, [0.0, 0.0])

    def test_conflicts(self) -> None:
        """A batch that conflicts with other instances is run again, a bounded number of times."""
        self.patch(postgres, "MAX_CONFLICTS", 3)
        runs: list[int] = []

        def conflict(times: int, tx: Transaction) -> str:
            runs.append(tx.count(ADD, the_number=times))
            if len(runs) <= times:
                raise psycopg.errors.SerializationFailure
            return "done"

        self.assertEqual(self.result(self.submit(partial(conflict, 3))), "done")
        self.assertEqual(runs, [1] * 4)
        runs.clear()
        with self.assertRaises(LedgerUnavailable):
            self.result(self.submit(partial(conflict, 4)))
        self.assertEqual((runs, self.seen()), ([1] * 4, [3]))

    def test_read_only(self) -> None:
        """A batch that a server refuses because it is read-only is run again on another connection."""
        self.patch(postgres_connection, "UNAVAILABLE_RETRY_SECONDS", 0.0)
        backends: list[int | None] = []

        def refuse(tx: Transaction) -> None:
            backends.append(tx.one(BACKEND))
            if len(backends) == 1:
                raise psycopg.errors.ReadOnlySqlTransaction

        with capturedLogs() as events:
            self.result(self.submit(refuse))
        self.assertEqual(len(set(backends)), 2)
        self.assertEqual(formatEvent(events[-1]), "The database is available again.")

    def test_later(self) -> None:
        """What an operation puts off is committed with its batch."""
        self.result(self.submit(lambda tx: tx.later(ADD, the_number=7)))
        self.assertEqual(self.seen(), [7])

    def test_refused_by_the_database(self) -> None:
        """An operation that the database cannot carry out now has not happened, and is not tried again."""
        runs: list[int] = []

        def fail(tx: Transaction) -> None:
            runs.append(tx.count(ADD, the_number=1))
            raise psycopg.errors.DiskFull("no space left")

        with self.assertRaisesRegex(LedgerUnavailable, "no space left"):
            self.result(self.submit(fail))
        self.assertEqual((runs, self.seen()), ([1], []))

    def test_circle(self) -> None:
        """Operations of a batch that wait for each other's keys are run one at a time, from the start."""

        def cross(own: int, other: str, tx: Transaction) -> None:
            tx.run(ADD, the_number=own)
            tx.all(BACKEND)
            tx.lock(other)

        told = [
            self.submit(partial(cross, 1, "b"), 0, ("a",)),
            self.submit(partial(cross, 2, "a"), 2, ("b",)),
        ]
        for each in told:
            self.result(each)
        self.assertEqual((self.seen(), self.observer.batches), ([1, 2], [2]))

    def test_no_database(self) -> None:
        """Where there is no database, what waits for it is told so in the end."""
        url = self._url.set(database="no such database")
        ledger = Ledger(make_scheduler(self.reactor))
        worker = Worker(self.reactor, "nowhere")
        ledger.open([PostgresRunner(self.reactor, open_engine(url), worker, self.observer, "me")])
        self.patch(postgres_connection, "UNAVAILABLE_TIMEOUT_SECONDS", -1.0)
        for _ in range(2):
            with self.assertRaises(LedgerUnavailable):
                self.result(ledger.submit(read))
        self.result(ledger.close())


class FaultTests(PostgresCase):
    """Faults of ours, outside the operations."""

    def test_observer_that_raises(self) -> None:
        """An observer that raises at every report does not stop the ledger."""
        ledger = Ledger(make_scheduler(self.reactor))
        ledger.open(open_test_runners(self.reactor, self.engine, FailingObserver(), lanes=1))

        def fail(_: Transaction) -> None:
            raise KeyError

        for number in range(3):
            told = [ledger.submit(add(number)), ledger.submit(fail)]
            self.result(told[0])
            self.failureResultOf(told[1], KeyError)
        self.result(ledger.close())
        self.assertEqual(self.seen(), [0, 1, 2])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_runner_that_raises(self) -> None:
        """A batch over which the runner itself falls is failed, and the next ones run."""
        connection = self.runners[0]._connection
        real = connection.roll_back

        def roll_back() -> None:
            raise ZeroDivisionError

        def fail(_: Transaction) -> None:
            raise KeyError

        connection.roll_back = roll_back  # type: ignore[method-assign]
        told = [self.submit(fail), self.submit(add(1))]
        for each in told:
            with self.assertRaises(ZeroDivisionError):
                self.result(each)
        connection.roll_back = real  # type: ignore[method-assign]
        connection.roll_back()
        self.result(self.submit(add(2)))
        self.assertEqual(self.seen(), [2])

    def test_keys_in_one_order(self) -> None:
        """A batch locks its keys in the order of their numbers, so that no two batches can deadlock."""
        asked: list[Any] = []

        class Noting(Pipeline):
            def queue(self, sql: str, values: Sequence[object] = ()) -> QueryResult:
                if "pg_advisory_xact_lock" in sql:
                    asked.append(values[0])
                return super().queue(sql, values)

        self.patch(postgres_connection, "Pipeline", Noting)
        keys = tuple(str(number) for number in range(50))
        self.result(self.submit(add(1), 0, keys))
        self.assertEqual(asked, [sorted(lock_key(key) for key in keys)])


class TurnsTests(PostgresCase):
    """Two lanes, or two instances, that use the same keys."""

    def test_same_key(self) -> None:
        """Operations of two lanes that share a key take turns: none sees the other half done."""
        inside: list[str] = []

        def slow(name: str, tx: Transaction) -> None:
            tx.all(BACKEND)
            inside.append(f"{name} in")
            tx.all(PAUSE)
            inside.append(f"{name} out")

        told = [
            self.submit(partial(slow, "a"), 0, ("key", "other")),
            self.submit(partial(slow, "b"), 1, ("key",)),
        ]
        for each in told:
            self.result(each)
        first = inside[0][0]
        second = "b" if first == "a" else "a"
        self.assertEqual(inside, [f"{first} in", f"{first} out", f"{second} in", f"{second} out"])

    def test_other_keys(self) -> None:
        """Operations of two lanes that share no key do not wait for one another."""
        barrier = threading.Barrier(2, timeout=10.0)

        def meet(_: Transaction) -> None:
            barrier.wait()

        told = [self.submit(meet, 0, ("a",)), self.submit(meet, 1, ("b",))]
        for each in told:
            self.result(each)

    def test_try_lock(self) -> None:
        """A key that another transaction has is not to be had, and does not wait; afterwards it is."""
        turns: list[bool] = []
        self.outside.execute("SELECT pg_advisory_lock(%s)", [lock_key("key")])
        self.result(self.submit(lambda tx: turns.append(tx.try_lock("key"))))
        self.outside.execute("SELECT pg_advisory_unlock_all()")
        self.result(self.submit(lambda tx: turns.append(tx.try_lock("key"))))
        self.assertEqual(turns, [False, True])
        # Taken until the commit, and no longer.
        (free,) = self.outside.execute(
            "SELECT pg_try_advisory_lock(%s)", [lock_key("key")]
        ).fetchone() or (None,)
        self.assertIs(free, True)

    def test_keys_in_any_order(self) -> None:
        """Batches that name the same keys in opposite orders cannot block each other."""
        told = [
            self.submit(lambda tx: tx.all(PAUSE) and None, lane, keys)
            for _ in range(10)
            for lane, keys in ((0, ("a", "b", "c")), (1, ("c", "b", "a")))
        ]
        for each in told:
            self.result(each)
        self.assertEqual(sum(self.observer.batches), 20)

    def test_key_found_on_the_way(self) -> None:
        """A key that an operation finds it needs is waited for by its whole batch, begun again."""
        self.outside.execute("SELECT pg_advisory_lock(%s)", [lock_key("late")])
        runs: list[str] = []

        def find(tx: Transaction) -> None:
            runs.append("found")
            tx.run(ADD, the_number=2)
            tx.lock("late")
            runs.append("taken")

        told = [self.submit(add(1)), self.submit(find, 0, ("early",))]
        self.reactor.turn()
        self.assertTrue(self.has_waiter())
        self.outside.execute("SELECT pg_advisory_unlock_all()")
        for each in told:
            self.result(each)
        self.assertEqual((runs, self.seen()), (["found", "found", "taken"], [1, 2]))
        self.assertEqual(self.observer.batches, [2])

    def has_waiter(self) -> bool:
        """Whether a transaction waits for an advisory lock, now or within some seconds."""
        waiting = """
            SELECT pg_sleep(0.01), EXISTS (
                SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                WHERE datname = current_database() AND NOT granted
            )
        """
        return any(self.outside.execute(waiting).fetchone() == ("", True) for _ in range(500))

    def test_keys_found_in_opposite_orders(self) -> None:
        """Two batches that find each other's keys on their way are both run, without a deadlock."""
        barrier = threading.Barrier(2)
        waited: set[str] = set()

        def cross(own: str, other: str, tx: Transaction) -> None:
            if own not in waited:
                waited.add(own)
                barrier.wait(10.0)
            tx.lock(other)
            tx.run(ADD, the_number=ord(own))

        self.outside.execute("SELECT pg_stat_reset()")
        told = [
            self.submit(partial(cross, "a", "b"), 0, ("a",)),
            self.submit(partial(cross, "b", "a"), 1, ("b",)),
        ]
        for each in told:
            self.result(each)
        self.assertEqual(sorted(self.seen()), [ord("a"), ord("b")])
        # Nobody had to be chosen as a deadlock's victim.
        row = self.outside.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        self.assertEqual(row, (0,))

    def test_deadlock(self) -> None:
        """Two batches that block each other by rows are both run in the end, each once."""
        for number in (0, 100):
            self.result(self.submit(add(number)))
        barrier = threading.Barrier(2)
        waited: set[str] = set()

        def cross(name: str, first: int, second: int, tx: Transaction) -> None:
            tx.count(COUNT_UP, the_id=first)
            if name not in waited:
                waited.add(name)
                barrier.wait(10.0)
            tx.run(COUNT_UP, the_id=second)

        told = [
            self.submit(partial(cross, "a", 1, 2), 0),
            self.submit(partial(cross, "b", 2, 1), 1),
        ]
        for each in told:
            self.result(each)
        self.assertEqual(sorted(self.seen()), [2, 102])
        self.assertEqual(self.observer.counts["batch_failed"], 0)


class AnnouncingTests(PostgresCase):
    """What a batch has stored is told to all instances."""

    def listen(self) -> None:
        """Hear what is announced in this database."""
        self.outside.execute(f"LISTEN {CHANNEL}")

    def heard(self) -> list[str]:
        """The payloads so far."""
        return [notify.payload for notify in self.outside.notifies(timeout=0.2)]

    def test_one_for_a_batch(self) -> None:
        """A batch announces all that it stored at once, the newest of each mailbox."""

        def store(key: str, number: int, tx: Transaction) -> None:
            tx.announce(key, 7, number)

        self.listen()
        for key, number in (("a", 1), ("b", 1), ("a", 2)):
            last = self.submit(partial(store, key, number))
        self.result(last)
        told = {NewMessages(lock_key("a"), 7, 2), NewMessages(lock_key("b"), 7, 1)}
        (payload,) = self.heard()
        self.assertEqual(set(decode(payload).stored or ()), told)

    def test_nothing_to_tell(self) -> None:
        """A batch that stored no message, or was rolled back, announces nothing."""

        def fail(tx: Transaction) -> None:
            tx.announce("a", 7, 1)
            raise ZeroDivisionError

        self.listen()
        told = [self.submit(add(1)), self.submit(fail)]
        self.result(told[0])
        self.failureResultOf(told[1], ZeroDivisionError)
        self.assertEqual(self.heard(), [])


class CloseTests(PostgresCase):
    """The end."""

    def test_close_without_a_database(self) -> None:
        """Closing does not wait for a database that has gone: what waits for it is told so at once."""
        backend = self.backend()
        event.listen(self.engine, "do_connect", refuse_connection)
        self.kill(backend)
        told = [self.submit(add(number)) for number in range(3)]
        closed = self.ledger.close()
        self.result(closed)
        for each in told:
            self.failureResultOf(each, LedgerUnavailable)
        self.assertEqual(self.seen(), [])

    def test_close_finishes(self) -> None:
        """Closing waits for what was submitted, and then lets go of the connections."""
        told = [self.submit(add(number), lane=number) for number in range(4)]
        self.result(self.ledger.close())
        for each in told:
            self.successResultOf(each)
        self.assertEqual(sorted(self.seen()), [0, 1, 2, 3])
        for runner in self.runners:
            runner._worker._thread.join(10.0)
            self.assertFalse(runner._worker._thread.is_alive())
            self.assertIsNone(runner._connection._proxy)
