"""Tests of `wormhole_server.usage.database_writer`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import attrs
import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.transaction import Transaction
from tests.wormhole_server.records import HAPPY, JILTED, LONELY
from wormhole_server.database.schema import relay_usage
from wormhole_server.usage.database_writer import DatabaseWriter, delete_old_records

COLUMNS = "end, started, waiting_seconds, total_seconds, mood, bytes"


class FakeLedger:
    """Runs what was submitted when the test says so, on a real database."""

    def __init__(self) -> None:
        engine = sa.create_engine("sqlite://")
        self._cursor = sqlite3.connect(":memory:").cursor()
        self._cursor.execute(str(sa.schema.CreateTable(relay_usage).compile(engine)))
        self.tx = Transaction(self._cursor, engine.dialect)
        self.waiting: list[tuple[Callable[[Transaction], Any], Deferred[Any]]] = []

    def submit(self, operation: Callable[[Transaction], Any]) -> Deferred[Any]:
        """One more operation."""
        done: Deferred[Any] = Deferred()
        self.waiting.append((operation, done))
        return done

    def run(self) -> None:
        """Run the operation that has waited longest."""
        operation, done = self.waiting.pop(0)
        done.callback(operation(self.tx))

    def fail(self, error: Exception) -> None:
        """Let the operation that has waited longest fail."""
        self.waiting.pop(0)[1].errback(error)

    def rows(self) -> list[tuple[Any, ...]]:
        """All that is in the table."""
        self._cursor.execute(
            f"SELECT {COLUMNS.replace('end', '[end]', 1)} FROM relay_usage ORDER BY id"
        )
        return self._cursor.fetchall()


class DatabaseWriterTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a writer."""
        self.ledger = FakeLedger()
        self.lost: list[int] = []
        self.writer = DatabaseWriter(self.ledger, self.lost.append)

    def test_interrupted(self) -> None:
        """After an exception nobody foresaw behind a transaction, the records that wait are written."""
        go_on = self.writer._next

        def fail_once(_: object) -> None:
            self.writer._next = go_on  # type: ignore[method-assign]
            raise ZeroDivisionError

        self.writer._next = fail_once  # type: ignore[assignment, method-assign]
        self.writer.write(HAPPY)
        self.writer.write(LONELY)
        flushed = self.writer.flush()
        self.ledger.run()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertNoResult(flushed)
        self.ledger.run()
        self.successResultOf(flushed)
        self.assertEqual(len(self.ledger.rows()), 2)

    def test_bytes_since(self) -> None:
        """The bytes of all records from a moment on are summed; imported records do not count."""
        for started, byte_count in ((99.9, 1), (100.0, 20), (200.0, 300)):
            self.writer.write(attrs.evolve(HAPPY, started=started, bytes=byte_count))
            self.ledger.run()
        self.ledger._cursor.execute(
            "INSERT INTO relay_usage ([end], started, total_seconds, mood, bytes) "
            "VALUES ('unknown', 300, 1, 'happy', 5000)"
        )
        sums = [self.writer.bytes_since(start) for start in (100.0, 201.0)]
        self.ledger.run()
        self.ledger.run()
        self.assertEqual([self.successResultOf(each) for each in sums], [320, 0])

    def test_ledger_that_raises(self) -> None:
        """After an exception nobody foresaw, in the ledger or the counter, the next records are written."""
        submit = self.ledger.submit

        def fail(_: object) -> Any:
            raise ZeroDivisionError

        self.patch(self.ledger, "submit", fail)
        self.writer.write(HAPPY)
        self.assertEqual(self.lost, [1])
        self.patch(self.writer, "_lost", fail)
        self.writer.write(HAPPY)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.patch(self.ledger, "submit", submit)
        self.writer.write(LONELY)
        self.ledger.run()
        self.assertEqual(len(self.ledger.rows()), 1)
        self.successResultOf(self.writer.flush())

    def test_rows(self) -> None:
        """Each connection has a row; its buddy has another."""
        self.writer.write(HAPPY)
        self.writer.write(JILTED)
        self.writer.write(LONELY)
        while self.ledger.waiting:
            self.ledger.run()
        self.assertEqual(
            self.ledger.rows(),
            [
                ("tcp", 1_000_017.5, 20.25, 125.5, "happy", 123_000),
                ("websocket", 1_000_037.75, 0.0, 105.5, "jilted", 456),
                ("tcp", 1_000_017.5, None, 61.0, "lonely", 0),
            ],
        )

    def test_gathered(self) -> None:
        """While a transaction is being committed, records gather for the next one, at most a hundred."""
        for _ in range(251):
            self.writer.write(HAPPY)
        counts = []
        while self.ledger.waiting:
            self.assertEqual(len(self.ledger.waiting), 1)
            self.ledger.run()
            counts.append(len(self.ledger.rows()))
        self.assertEqual(counts, [1, 101, 201, 251])

    def test_flush(self) -> None:
        """A server that stops can wait until everything is written."""
        self.successResultOf(self.writer.flush())
        self.writer.write(HAPPY)
        self.writer.write(LONELY)
        flushed = self.writer.flush()
        self.ledger.run()
        self.assertNoResult(flushed)
        self.ledger.run()
        self.successResultOf(flushed)

    def test_unavailable(self) -> None:
        """While the database is unavailable, records are counted and dropped; later ones are written."""
        self.writer.write(HAPPY)
        self.writer.write(LONELY)
        self.writer.write(LONELY)
        self.ledger.fail(LedgerUnavailable())
        flushed = self.writer.flush()
        self.ledger.fail(LedgerUnavailable())
        self.successResultOf(flushed)
        self.assertEqual(self.lost, [1, 2])
        self.writer.write(HAPPY)
        self.ledger.run()
        self.assertEqual(len(self.ledger.rows()), 1)

    def test_logged_once(self) -> None:
        """An unexpected failure is logged once, until a transaction has succeeded again."""
        for _ in range(3):
            self.writer.write(HAPPY)
            self.ledger.fail(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.writer.write(HAPPY)
        self.ledger.run()
        self.writer.write(HAPPY)
        self.ledger.fail(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bounded(self) -> None:
        """What waits for a database that hangs is bounded."""
        for _ in range(10_101):
            self.writer.write(HAPPY)
        self.assertEqual(len(self.lost), 100)


class DeleteTests(SynchronousTestCase):
    def test_delete(self) -> None:
        """Old records are deleted, some at a time, until none is left; the others stay."""
        ledger = FakeLedger()
        writer = DatabaseWriter(ledger, lambda _: None)
        for number in range(1500):
            writer.write(attrs.evolve(HAPPY, started=float(number)))
        while ledger.waiting:
            ledger.run()
        self.assertTrue(delete_old_records(ledger.tx, 1400.0))
        self.assertEqual(len(ledger.rows()), 500)
        self.assertTrue(delete_old_records(ledger.tx, 1400.0))
        self.assertFalse(delete_old_records(ledger.tx, 1400.0))
        self.assertEqual(
            [row[1] for row in ledger.rows()], [float(each) for each in range(1400, 1500)]
        )
