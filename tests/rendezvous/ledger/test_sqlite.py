"""Tests of `rendezvous.ledger.sqlite`, on a file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.errors import DiskFull, ErrorKind, LedgerUnavailable, OutcomeUnknown, Refusal
from rendezvous.ledger import sqlite as ledger_sqlite
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.queue import MAX_BATCH
from rendezvous.ledger.spare_file import SpareFile
from rendezvous.ledger.statements import prepare, prepare_value
from rendezvous.ledger.transaction import Transaction
from tests.databases import sqlite_url
from tests.rendezvous.fakes import FailingObserver, Reactor, Recorder
from tests.rendezvous.servers import open_test_runners
from tests.schedulers import make_scheduler

_metadata = sa.MetaData()
_numbers = sa.Table("numbers", _metadata, sa.Column("number", sa.Integer, unique=True))
_P = sa.bindparam
_ADD = prepare(sa.insert(_numbers).values(number=_P("the_number")).inline())
_READ = prepare_value(sa.select(_numbers.c.number).order_by(_numbers.c.number), int)


def add(number: int, result: Any = None) -> Callable[[Transaction], Any]:
    """An operation that writes a number."""

    def operation(tx: Transaction) -> Any:
        tx.run(_ADD, the_number=number)
        return result

    return operation


def read(tx: Transaction) -> list[int]:
    """All numbers."""
    return tx.all(_READ)


def add_next(tx: Transaction) -> int:
    """Write the number after the largest, and have the log written back; return the number."""
    number = max(tx.all(_READ), default=0) + 1
    tx.run(_ADD, the_number=number)
    tx.checkpoint = True
    return number


def refuse_after(number: int, tx: Transaction) -> None:
    """Write a number and refuse."""
    tx.run(_ADD, the_number=number)
    raise Refusal(ErrorKind.CROWDED)


def fail_after(number: int, tx: Transaction) -> None:
    """Write a number and fall over."""
    tx.run(_ADD, the_number=number)
    raise ZeroDivisionError


class SqliteCase(SynchronousTestCase):
    """A case with a ledger on a file, and another connection to look at it from outside."""

    def setUp(self) -> None:
        """Make the file, open the ledger."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.reactor = Reactor()
        self.observer = Recorder()
        self.file = Path(directory.name) / "file.db"
        self.engine = open_engine(sqlite_url(directory.name, "file.db"))
        _metadata.create_all(self.engine)
        self.ledger = Ledger(make_scheduler(self.reactor))
        (runner,) = open_test_runners(self.reactor, self.engine, self.observer)
        assert isinstance(runner, ledger_sqlite.SqliteRunner)
        self.runner = runner
        self.ledger.open([runner])
        self.addCleanup(self.close)
        self.outside = sqlite3.connect(self.file, isolation_level=None, timeout=0)
        self.addCleanup(self.outside.close)

    def close(self) -> None:
        """Close the ledger."""
        closed = self.ledger.close()
        self.reactor.turn()
        self.successResultOf(closed)

    def submit(self, operation: Callable[[Transaction], Any]) -> Deferred[Any]:
        """Submit."""
        return self.ledger.submit(operation)

    def result(self, deferred: Deferred[Any]) -> Any:
        """Of an operation, whose thread may take its time."""
        return self.reactor.result(deferred)

    def seen(self) -> list[int]:
        """The numbers that are durable."""
        return [row[0] for row in self.outside.execute("SELECT number FROM numbers ORDER BY 1")]

    def break_checkpoint(self) -> None:
        """From now on the log cannot be written back into the file."""
        connection = self.runner._connection

        class Broken:
            """The connection, with a checkpoint that fails."""

            def __getattr__(self, name: str) -> Any:
                return getattr(connection, name)

            def execute(self, sql: str) -> sqlite3.Cursor:
                if "wal_checkpoint" in sql:
                    raise sqlite3.OperationalError("disk I/O error")
                return connection.execute(sql)

        self.patch(self.runner, "_connection", Broken())


class SqliteRunnerTests(SqliteCase):
    """Statements here, commits there."""

    def test_durable_then_told(self) -> None:
        """When a result is told, another connection sees what was written; before, nobody does."""
        seen = []
        told = self.submit(add(1, "one")).addCallback(lambda _: seen.append(self.seen()))
        self.reactor.advance(0)
        # The commit may be over by now, in its thread; it is told in a turn of the reactor's.
        self.assertNoResult(told)
        self.result(told)
        self.assertEqual(seen, [[1]])

    def test_batch(self) -> None:
        """What was submitted in one turn is one transaction; each sees what those before it wrote."""
        told = [self.submit(add(1)), self.submit(read), self.submit(add(2)), self.submit(read)]
        self.assertEqual([self.result(each) for each in told], [None, [1], None, [1, 2]])
        self.assertEqual(self.observer.batches, [4])

    def test_reading_alone_waits_for_nothing(self) -> None:
        """A batch that only reads is over within the turn: no commit goes to the thread."""
        told = self.submit(read)
        self.reactor.advance(0)
        self.assertEqual(self.successResultOf(told), [])

    def test_refusal(self) -> None:
        """A refusal touches nobody else, and what was written before it stays."""
        told = [self.submit(add(1)), self.submit(partial(refuse_after, 2)), self.submit(add(3))]
        self.result(told[0])
        self.failureResultOf(told[1], Refusal)
        self.successResultOf(told[2])
        self.assertEqual((self.seen(), self.observer.batches), ([1, 2, 3], [3]))

    def test_exception(self) -> None:
        """An operation that falls over is undone alone; its neighbours are run again and take place."""
        told = [self.submit(add(1)), self.submit(partial(fail_after, 2)), self.submit(add(3))]
        self.result(told[2])
        self.failureResultOf(told[1], ZeroDivisionError)
        self.successResultOf(told[0])
        self.assertEqual(self.seen(), [1, 3])
        self.assertEqual(self.observer.counts["batch_failed"], 1)
        self.assertEqual(self.observer.batches, [1, 1])

    def test_statement_that_fails(self) -> None:
        """A statement that the database refuses concerns its own operation only."""
        told = [self.submit(add(number)) for number in (1, 1, 2)]
        self.result(told[2])
        self.failureResultOf(told[1], LedgerUnavailable)
        self.assertEqual(self.seen(), [1, 2])

    def test_order_over_batches(self) -> None:
        """Operations keep their order from batch to batch, also when one of them falls over."""
        order: list[int] = []
        told = []
        for number in range(30):
            told.append(self.submit(add(number, number)).addCallback(order.append))
            if number % 10 == 5:
                failing = self.submit(partial(fail_after, 100))
                failing.addErrback(lambda failure: failure.trap(ZeroDivisionError) and None)
            if number % 4 == 0:
                self.reactor.advance(0)
        self.result(told[-1])
        self.assertEqual((order, self.seen()), (list(range(30)), list(range(30))))

    def test_later(self) -> None:
        """What an operation puts off is committed with its batch."""
        self.result(self.submit(lambda tx: tx.later(_ADD, the_number=7)))
        self.assertEqual(self.seen(), [7])

    def test_written_back(self) -> None:
        """An operation can have the log written back into the file, behind its commit."""
        for operation, in_the_file in ((add(1), []), (add_next, [(1,), (2,)])):
            self.result(self.submit(operation))
            alone = self.file.with_name("alone.db")
            alone.write_bytes(self.file.read_bytes())
            with closing(sqlite3.connect(alone)) as connection:
                found = connection.execute("SELECT * FROM numbers").fetchall()
            self.assertEqual(found, in_the_file)

    def test_not_written_back(self) -> None:
        """A batch that is committed is not run again where the log cannot be written back; logged once."""
        self.break_checkpoint()
        with capturedLogs() as events:
            self.assertEqual([self.result(self.submit(add_next)) for _ in range(3)], [1, 2, 3])
        self.assertEqual(self.seen(), [1, 2, 3])
        (line,) = [formatEvent(event) for event in events if event["log_level"] >= LogLevel.info]
        self.assertIn("cannot be written back: disk I/O error", line or "")

    def test_measured(self) -> None:
        """The observer is told how long a commit took; without one it took no time."""
        self.reactor.advance(100.0)
        self.result(self.submit(add(1)))
        self.result(self.submit(read))
        self.assertEqual(self.observer.commit_seconds, [0.0, 0.0])

    def test_close_ends_the_thread(self) -> None:
        """Closing ends the thread that commits."""
        ledger = Ledger(make_scheduler(self.reactor))
        engine = open_engine(sqlite_url(str(self.file.parent), "file.db"))
        (runner,) = open_test_runners(self.reactor, engine, self.observer)
        ledger.open([runner])
        self.result(ledger.close())
        if not isinstance(runner, ledger_sqlite.SqliteRunner):
            raise TypeError(runner)
        runner._worker._thread.join(10.0)
        self.assertFalse(runner._worker._thread.is_alive())

    def test_close_finishes(self) -> None:
        """Closing waits for what was submitted; after it the file is let go of."""
        told = [self.submit(add(1))]
        self.reactor.advance(0)
        told.append(self.submit(add(2)))
        self.result(self.ledger.close())
        for each in told:
            self.successResultOf(each)
        self.outside.execute("PRAGMA journal_mode = DELETE")
        self.assertEqual(self.seen(), [1, 2])


class LostFileTests(SqliteCase):
    """The file is moved, deleted or replaced while the ledger has it open."""

    def setUp(self) -> None:
        """Have something stored."""
        super().setUp()
        self.result(self.submit(add(1)))
        self.away = self.file.with_name("away.db")

    def refused(self) -> str:
        """Why a write is refused now."""
        with self.assertRaises(LedgerUnavailable) as caught:
            self.result(self.submit(add(2)))
        return str(caught.exception)

    def test_moved(self) -> None:
        """Nothing is written to a file that has been moved; once it is back, everything goes on."""
        self.file.rename(self.away)
        with capturedLogs() as events:
            self.assertIn("moved or deleted", self.refused())
            # What only reads may be answered all the same.
            self.assertEqual(self.result(self.submit(read)), [1])
            self.away.rename(self.file)
            self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [1, 3])
        lines = [formatEvent(event) for event in events if event["log_level"] >= LogLevel.info]
        self.assertEqual(len(lines), 2, lines)

    def test_replaced(self) -> None:
        """Another file in its place is not mistaken for it."""
        self.file.rename(self.away)
        self.file.write_bytes(self.away.read_bytes())
        self.assertIn("moved or deleted", self.refused())

    def test_log_lost(self) -> None:
        """So it is with the log and its index; what had been answered is in the file then."""
        for suffix in ("-wal", "-shm"):
            companion = self.file.with_name(self.file.name + suffix)
            for lose in (partial(companion.rename, self.away), companion.unlink):
                lose()
                told = self.submit(add(2))
                with self.assertRaisesRegex(LedgerUnavailable, "moved or deleted"):
                    self.result(told)
                alone = self.file.with_name("alone.db")
                alone.write_bytes(self.file.read_bytes())
                with closing(sqlite3.connect(alone)) as connection:
                    self.assertEqual(connection.execute("SELECT * FROM numbers").fetchall(), [(1,)])
                alone.unlink()
                if self.away.exists():
                    self.away.rename(companion)
        self.assertEqual(self.result(self.submit(read)), [1])

    def test_lost_during_the_commit(self) -> None:
        """A commit into a log that is gone afterwards is not reported as done."""
        told = self.submit(add(2))
        found = iter([None, "file.db-wal"])
        self.patch(self.runner, "_find_lost", lambda: next(found))
        with self.assertRaises(OutcomeUnknown):
            self.result(told)

    def test_lost_during_a_commit_that_cannot_be_written_back(self) -> None:
        """The same holds where the log cannot be written back; the operation is not run again."""
        self.break_checkpoint()
        found = iter([None, "file.db-wal", None])
        self.patch(self.runner, "_find_lost", lambda: next(found))
        with self.assertRaises(OutcomeUnknown):
            self.result(self.submit(add_next))
        self.assertEqual(self.seen(), [1, 2])

    def test_no_connection_to_another_file(self) -> None:
        """A new connection does not take over the log of a file that has been moved."""
        log = self.file.with_name("file.db-wal")
        self.file.rename(self.away)
        for exists in (False, True):
            with self.assertRaisesRegex(OperationalError, "moved or deleted"):
                self.engine.connect()
            self.assertEqual(self.file.exists(), exists)
            self.assertGreater(log.stat().st_size, 0)
            self.file.touch()
        self.away.rename(self.file)
        with self.engine.connect() as connection:
            self.assertEqual(connection.exec_driver_sql("SELECT * FROM numbers").scalar(), 1)

    def test_deleted(self) -> None:
        """Nothing is written to a file that has been deleted."""
        self.file.unlink()
        self.assertIn("moved or deleted", self.refused())


class BrokenObserverTests(SqliteCase):
    """An observer that raises at every report."""

    def test_goes_on(self) -> None:
        """The ledger goes on, batch after batch, whether they are committed or fail."""
        ledger = Ledger(make_scheduler(self.reactor))
        engine = open_engine(sqlite_url(str(self.file.parent), "file.db"))
        ledger.open(open_test_runners(self.reactor, engine, FailingObserver()))
        for number in range(3):
            told = [ledger.submit(add(number)), ledger.submit(partial(fail_after, 7))]
            self.result(told[0])
            self.reactor.turn()
            self.failureResultOf(told[1], ZeroDivisionError)
        self.result(ledger.close())
        self.assertEqual(self.seen(), [0, 1, 2])
        # Once for each method, and the one that counts that.
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)


class LockedTests(SqliteCase):
    """Another process holds the lock of the file."""

    def test_put_off(self) -> None:
        """A locked file delays a batch, without anyone sleeping, and it takes place when the lock goes."""
        self.outside.execute("BEGIN IMMEDIATE")
        told = [self.submit(add(1, "one")), self.submit(read)]
        for _ in range(50):
            self.reactor.advance(0.1)
        for each in told:
            self.assertNoResult(each)
        self.outside.execute("COMMIT")
        self.reactor.advance(0.1)
        self.assertEqual([self.result(each) for each in told], ["one", [1]])
        self.assertEqual(self.observer.counts["batch_failed"], 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_patience_ends(self) -> None:
        """A file that stays locked is given up at last; nothing happened, and the next batch is tried."""
        self.outside.execute("BEGIN IMMEDIATE")
        told = [self.submit(add(1)), self.submit(add(2))]
        self.reactor.turn()
        self.reactor.pump([0.5] * round(2 * ledger_sqlite.LOCKED_TIMEOUT_SECONDS + 10))
        for each in told:
            self.failureResultOf(each, LedgerUnavailable)
        self.outside.execute("COMMIT")
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [3])

    def test_patience_to_the_moment(self) -> None:
        """A locked file is given up as soon as the time for it is over."""
        self.patch(ledger_sqlite, "LOCKED_TIMEOUT_SECONDS", 1.0)
        self.patch(ledger_sqlite, "LOCKED_RETRY_SECONDS", 0.5)
        self.outside.execute("BEGIN IMMEDIATE")
        told = self.submit(add(1))
        self.reactor.pump([0.0, 0.5])
        self.assertNoResult(told)
        self.reactor.advance(0.5)
        self.failureResultOf(told, LedgerUnavailable)
        self.outside.execute("COMMIT")

    def test_patience_ends_for_all(self) -> None:
        """What waits behind a batch that was given up does not wait as long once more, one after another."""
        self.outside.execute("BEGIN IMMEDIATE")
        told = [self.submit(add(number)) for number in range(10, 10 + 3 * MAX_BATCH)]
        self.reactor.turn()
        self.reactor.pump([0.5] * round(2 * ledger_sqlite.LOCKED_TIMEOUT_SECONDS + 10))
        for each in told:
            self.failureResultOf(each, LedgerUnavailable)
        self.outside.execute("COMMIT")
        self.result(self.submit(add(3)))
        self.outside.execute("BEGIN IMMEDIATE")
        later = self.submit(add(4))
        self.reactor.advance(0.1)
        self.assertNoResult(later)
        self.outside.execute("COMMIT")
        self.reactor.advance(0.1)
        self.result(later)
        self.assertEqual(self.seen(), [3, 4])

    def test_patience_begins_anew(self) -> None:
        """A batch that fails for another reason ends the wait for a lock; the next wait has its full time."""
        patience = ledger_sqlite.LOCKED_TIMEOUT_SECONDS
        self.outside.execute("BEGIN IMMEDIATE")
        failing = self.submit(partial(fail_after, 7))
        self.reactor.pump([0.5] * round(1.5 * patience))
        self.outside.execute("COMMIT")
        self.reactor.advance(0.1)
        self.failureResultOf(failing, ZeroDivisionError)
        self.outside.execute("BEGIN IMMEDIATE")
        told = self.submit(add(1))
        self.reactor.pump([0.5] * round(1.5 * patience))
        self.assertNoResult(told)
        self.outside.execute("COMMIT")
        self.reactor.advance(0.1)
        self.result(told)

    def test_order_across_a_lock(self) -> None:
        """What comes while a batch is put off stays behind it."""
        order: list[str] = []
        self.outside.execute("BEGIN IMMEDIATE")
        for name in "abc":
            told = self.submit(add(ord(name), name)).addCallback(order.append)
            self.reactor.advance(0.05)
        self.outside.execute("ROLLBACK")
        self.reactor.advance(0.05)
        self.result(told)
        self.assertEqual(order, ["a", "b", "c"])

    def test_reader_that_had_enough(self) -> None:
        """An operation that stops reading half-way leaves nothing open that others would stumble over."""
        for number in range(10):
            self.submit(add(number))
        self.result(self.submit(read))
        first = self.submit(lambda tx: next(iter(tx.each(_READ))))
        self.assertEqual(self.result(first), 0)
        # Another process writes: a reader that is still open would see the file as it was, for ever.
        self.outside.execute("INSERT INTO numbers VALUES (100)")
        told = self.submit(add(101))
        self.reactor.advance(0)
        self.result(told)
        self.assertEqual(self.seen()[-2:], [100, 101])


class FullDiskTests(SqliteCase):
    """The database refuses writes."""

    def fill(self) -> None:
        """From now on the file cannot grow."""

        def limit(tx: Transaction) -> None:
            # The pragma is the connection's own; there is no other way to reach it.
            tx._cursor.execute("PRAGMA max_page_count = 1")

        self.result(self.submit(limit))

    def free(self) -> None:
        """It can grow again."""

        def lift(tx: Transaction) -> None:
            tx._cursor.execute("PRAGMA max_page_count = 1000000")

        self.result(self.submit(lift))

    def test_full(self) -> None:
        """On a full disk each operation is told so, nothing is half written, and it passes."""
        blob = prepare(sa.text("CREATE TABLE large AS SELECT randomblob(100000) AS body"))

        def large(tx: Transaction) -> None:
            tx.run(blob)

        self.result(self.submit(add(1)))
        self.fill()
        told = [self.submit(large), self.submit(large)]
        small = self.submit(read)
        self.assertEqual(self.result(small), [1])
        for each in told:
            self.failureResultOf(each, LedgerUnavailable)
        self.free()
        self.result(self.submit(large))
        self.assertEqual(self.outside.execute("SELECT count(*) FROM large").fetchone(), (1,))

    def test_full_until_there_is_room(self) -> None:
        """What stores messages is refused until the spare file could be created again."""
        blob = prepare(sa.text("CREATE TABLE large AS SELECT randomblob(100000) AS body"))
        self.patch(SpareFile, "create", lambda _: False)
        self.fill()
        with self.assertRaises(DiskFull):
            self.result(self.submit(lambda tx: tx.run(blob)))
        self.free()
        with self.assertRaises(DiskFull):
            self.result(self.ledger.submit(add(1), size=1))
        self.result(self.submit(add(2)))
        with self.assertRaises(DiskFull):
            self.result(self.ledger.submit(add(3), size=1))
        self.patch(SpareFile, "create", lambda _: True)
        self.result(self.submit(add(4)))
        self.result(self.ledger.submit(add(5), size=1))
        self.assertEqual(self.seen(), [2, 4, 5])

    def test_said_once(self) -> None:
        """However much is not taken, and is read meanwhile: one line about it, one when it is over."""
        blob = prepare(sa.text("CREATE TABLE large AS SELECT randomblob(100000) AS body"))
        self.fill()
        with capturedLogs() as events:
            for _ in range(3):
                told = self.submit(lambda tx: tx.run(blob))
                with self.assertRaises(LedgerUnavailable):
                    self.result(told)
                self.result(self.submit(read))
            self.free()
            self.result(self.submit(add(1)))
            self.result(self.submit(add(2)))
        lines = [formatEvent(event) for event in events if event["log_level"] >= LogLevel.info]
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("full; free some space on its disk", lines[0])
        self.assertIn("again", lines[1])

    def test_commit_that_fails(self) -> None:
        """A commit that fails undoes its batch; its operations are told so, and the next ones go on."""
        self.outside.execute("PRAGMA foreign_keys = ON")
        parent = sa.text("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        child = sa.text(
            "CREATE TABLE child (parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
        )
        orphan = prepare(sa.text("INSERT INTO child VALUES (7)"))
        for statement in (parent, child):
            self.outside.execute(str(statement))
        told = [
            self.submit(add(1)),
            self.submit(lambda tx: tx.run(orphan)),
            self.submit(add(2)),
        ]
        self.result(told[2])
        self.failureResultOf(told[1], LedgerUnavailable)
        self.successResultOf(told[0])
        self.assertEqual(self.seen(), [1, 2])
        self.assertEqual(self.outside.execute("SELECT count(*) FROM child").fetchone(), (0,))

    def test_commit_that_fails_alone(self) -> None:
        """A single operation whose commit fails is told so, and runs only once."""
        self.outside.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        self.outside.execute(
            "CREATE TABLE child (parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
        )
        orphan = prepare(sa.text("INSERT INTO child VALUES (7)"))
        runs: list[int] = []

        def operation(tx: Transaction) -> None:
            runs.append(tx.count(orphan))

        told = self.submit(operation)
        with self.assertRaises(LedgerUnavailable):
            self.result(told)
        self.assertEqual(runs, [1])
        self.result(self.submit(add(1)))
