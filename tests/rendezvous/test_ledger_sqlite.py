"""Tests of `rendezvous.ledger_sqlite`, on a file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import ledger_sqlite
from rendezvous.database import open_engine, open_runners
from rendezvous.errors import ErrorKind, LedgerUnavailable, Refusal
from rendezvous.ledger import MAX_BATCH, Ledger
from rendezvous.statements import Transaction, prepare
from tests.databases import sqlite_url
from tests.rendezvous.fakes import Reactor, Recorder

_metadata = sa.MetaData()
_numbers = sa.Table("numbers", _metadata, sa.Column("number", sa.Integer, unique=True))
_P = sa.bindparam
_ADD = prepare(sa.insert(_numbers).values(number=_P("the_number")).inline())
_READ = prepare(sa.select(_numbers.c.number).order_by(_numbers.c.number))


def add(number: int, result: Any = None) -> Callable[[Transaction], Any]:
    """An operation that writes a number."""

    def operation(tx: Transaction) -> Any:
        tx.run(_ADD, the_number=number)
        return result

    return operation


def read(tx: Transaction) -> list[int]:
    """All numbers."""
    return [number for (number,) in tx.all(_READ)]


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
        engine = open_engine(sqlite_url(directory.name, "file.db"))
        _metadata.create_all(engine)
        self.ledger = Ledger(self.reactor)
        self.ledger.open(open_runners(self.reactor, engine, self.observer))  # type: ignore[arg-type]
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
        self.reactor.pump([0.5] * round(2 * ledger_sqlite.LOCKED_PATIENCE_SECONDS + 10))
        for each in told:
            self.failureResultOf(each, LedgerUnavailable)
        self.outside.execute("COMMIT")
        self.result(self.submit(add(3)))
        self.assertEqual(self.seen(), [3])

    def test_patience_ends_for_all(self) -> None:
        """What waits behind a batch that was given up does not wait as long once more, one after another."""
        self.outside.execute("BEGIN IMMEDIATE")
        told = [self.submit(add(number)) for number in range(10, 10 + 3 * MAX_BATCH)]
        self.reactor.turn()
        self.reactor.pump([0.5] * round(2 * ledger_sqlite.LOCKED_PATIENCE_SECONDS + 10))
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
        self.assertEqual(self.result(first), (0,))
        # Another process writes: a reader that is still open would see the file as it was, for ever.
        self.outside.execute("INSERT INTO numbers VALUES (100)")
        told = self.submit(add(101))
        self.reactor.advance(0)
        self.result(told)
        self.assertEqual(self.seen()[-2:], [100, 101])


class FullDiskTests(SqliteCase):
    """The database does not take what it is given."""

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
        self.assertIn("full; free some space there", lines[0])
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
