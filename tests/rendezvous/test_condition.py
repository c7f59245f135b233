"""Tests of `rendezvous.condition`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from rendezvous import schema
from rendezvous.condition import Condition
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger import Ledger
from tests.rendezvous.fakes import StoreRunner
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase

DAY = 86400.0


class ReadOnlyRunner(StoreRunner):
    """A runner on a database that can be told to take nothing."""

    def deny(self, denied: bool) -> None:
        """Let it take nothing, or what it is given."""
        if self.store.engine.dialect.name == "sqlite":
            self.store.run(lambda tx: tx._cursor.execute(f"PRAGMA query_only = {denied:d}"))
        else:
            word = "ONLY" if denied else "WRITE"
            self.store.run(
                lambda tx: tx._cursor.execute(
                    f"SET SESSION CHARACTERISTICS AS TRANSACTION READ {word}"
                )
            )


class ConditionRules(StoreCase):
    """Asking and trying."""

    __test__ = False

    def setUp(self) -> None:
        """Know nothing of a database that is well."""
        super().setUp()
        self.clock = Clock()
        self.clock.advance(10 * DAY)
        self.runner = ReadOnlyRunner(self.store)
        self.ledger = Ledger(self.clock)
        self.ledger.open([self.runner])
        self.condition = Condition(self.clock, self.ledger)

    def check(self) -> Deferred[None]:
        """Ask, and let the ledger work."""
        asked = self.condition.check()
        self.clock.advance(0)
        return asked

    def test_well(self) -> None:
        """A database that takes what it is given passes, and keeps nothing of it."""
        for _ in range(3):
            self.successResultOf(self.check())
        self.assertEqual(self.store.rows(schema.discarded_mailboxes), [])

    def test_nothing_is_taken(self) -> None:
        """A database that can only be read is found out at the start."""
        self.runner.deny(True)
        self.failureResultOf(self.check())
        self.failureResultOf(self.check())
        self.runner.deny(False)
        self.successResultOf(self.check())

    def test_found_out_in_time(self) -> None:
        """It is tried once a minute; in between it is enough that it answers."""
        self.successResultOf(self.check())
        self.runner.deny(True)
        self.clock.advance(59)
        self.successResultOf(self.check())
        self.clock.advance(1)
        self.failureResultOf(self.check())

    def test_clock_set_back(self) -> None:
        """A clock that has been set back does not keep it from being tried."""
        self.successResultOf(self.check())
        self.runner.deny(True)
        self.clock.rightNow -= DAY
        self.failureResultOf(self.check())

    def test_after_a_refusal(self) -> None:
        """When it has refused something it is tried each time, until it takes something again."""
        self.successResultOf(self.check())
        self.runner.deny(True)
        self.condition.refused()
        self.failureResultOf(self.check())
        self.failureResultOf(self.check())
        self.runner.deny(False)
        self.successResultOf(self.check())
        self.runner.deny(True)
        self.successResultOf(self.check())

    def test_away(self) -> None:
        """A database that does not answer is of no use."""
        self.successResultOf(self.check())
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.failureResultOf(self.check(), LedgerUnavailable)


class ConditionOnSqlite(OnSqlite, ConditionRules):
    """On a SQLite file."""


class ConditionOnPostgres(OnPostgres, ConditionRules):
    """On PostgreSQL."""
