"""Tests of `wormhole_server.usage`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import attrs
import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import LedgerUnavailable
from rendezvous.statements import Transaction
from tests.wormhole_server.records import HAPPY, JILTED, LONELY
from wormhole_server.usage import RelayUsage, forget_relay_usage, relay_usage

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


class RelayUsageTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A writer, and how many it has lost each time."""
        self.ledger = FakeLedger()
        self.lost: list[int] = []
        self.usage = RelayUsage(self.ledger, None, self.lost.append)

    def test_rows(self) -> None:
        """Each connection has a row; its buddy has another."""
        self.usage.record(HAPPY)
        self.usage.record(JILTED)
        self.usage.record(LONELY)
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

    def test_blurred(self) -> None:
        """With --blur-usage, no time and no size is exact."""
        usage = RelayUsage(self.ledger, 60, self.lost.append)
        usage.record(attrs.evolve(HAPPY, bytes=123_456))
        self.ledger.run()
        self.assertEqual(self.ledger.rows(), [("tcp", 999_960.0, 0.0, 120.0, "happy", 130_000)])

    def test_gathered(self) -> None:
        """While a transaction is on its way, the next one gathers, within bounds."""
        for _ in range(251):
            self.usage.record(HAPPY)
        counts = []
        while self.ledger.waiting:
            self.assertEqual(len(self.ledger.waiting), 1)
            self.ledger.run()
            counts.append(len(self.ledger.rows()))
        self.assertEqual(counts, [1, 101, 201, 251])

    def test_flush(self) -> None:
        """Before the server leaves, it can wait for what is not written yet."""
        self.successResultOf(self.usage.flush())
        self.usage.record(HAPPY)
        self.usage.record(LONELY)
        flushed = self.usage.flush()
        self.ledger.run()
        self.assertNoResult(flushed)
        self.ledger.run()
        self.successResultOf(flushed)

    def test_away(self) -> None:
        """While the database is away, records are counted and let go; afterwards all is well again."""
        self.usage.record(HAPPY)
        self.usage.record(LONELY)
        self.usage.record(LONELY)
        self.ledger.fail(LedgerUnavailable())
        flushed = self.usage.flush()
        self.ledger.fail(LedgerUnavailable())
        self.successResultOf(flushed)
        self.assertEqual(self.lost, [1, 2])
        self.usage.record(HAPPY)
        self.ledger.run()
        self.assertEqual(len(self.ledger.rows()), 1)

    def test_logged_once(self) -> None:
        """A failure that nobody foresaw is logged, once until it has gone well again."""
        for _ in range(3):
            self.usage.record(HAPPY)
            self.ledger.fail(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.usage.record(HAPPY)
        self.ledger.run()
        self.usage.record(HAPPY)
        self.ledger.fail(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bounded(self) -> None:
        """What waits for a database that hangs is bounded."""
        for _ in range(10_101):
            self.usage.record(HAPPY)
        self.assertEqual(len(self.lost), 100)


class ForgetTests(SynchronousTestCase):
    def test_forget(self) -> None:
        """Old records are deleted, some at a time, until none is left; the others stay."""
        ledger = FakeLedger()
        usage = RelayUsage(ledger, None, lambda _: None)
        for number in range(1500):
            usage.record(attrs.evolve(HAPPY, started=float(number)))
        while ledger.waiting:
            ledger.run()
        self.assertTrue(forget_relay_usage(ledger.tx, 1400.0))
        self.assertEqual(len(ledger.rows()), 500)
        self.assertTrue(forget_relay_usage(ledger.tx, 1400.0))
        self.assertFalse(forget_relay_usage(ledger.tx, 1400.0))
        self.assertEqual(
            [row[1] for row in ledger.rows()], [float(each) for each in range(1400, 1500)]
        )
