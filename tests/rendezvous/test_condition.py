"""Tests of `rendezvous.condition`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from rendezvous.condition import DatabaseCondition
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import RendezvousObserver
from rendezvous.rules import schema
from tests.rendezvous.fakes import StoreRunner
from tests.rendezvous.servers import make_rendezvous
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from tests.schedulers import make_scheduler

DAY = 86400.0


def _refuse(_: object) -> None:
    raise LedgerUnavailable


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
        self.ledger = Ledger(make_scheduler(self.clock))
        self.ledger.open([self.runner])
        self.condition = DatabaseCondition(self.clock, self.ledger)

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
        """A time of day that has been set back does not keep a write from being tried."""
        day = [10 * DAY]
        server = make_rendezvous(self.clock, self.ledger, RendezvousObserver(), day=lambda: day[0])
        self.condition = server.condition
        self.successResultOf(self.check())
        self.runner.deny(True)
        day[0] -= DAY
        self.clock.advance(60)
        self.failureResultOf(self.check())

    def fail_operation(self) -> None:
        """Somebody submits an operation that the database does not accept."""
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        submitted = self.ledger.submit(lambda _: None)
        self.clock.advance(0)
        self.failureResultOf(submitted, LedgerUnavailable)

    def test_after_a_refusal(self) -> None:
        """After a refused operation each check tries a write, until the database accepts one."""
        self.successResultOf(self.check())
        self.runner.deny(True)
        self.fail_operation()
        self.failureResultOf(self.check())
        self.failureResultOf(self.check())
        self.runner.deny(False)
        self.successResultOf(self.check())
        self.runner.deny(True)
        self.successResultOf(self.check())

    def test_refusal_during_a_check(self) -> None:
        """An operation that fails while a check writes is not forgotten with that check."""
        asked = self.condition.check()
        refused = self.ledger.submit(_refuse)
        self.clock.advance(0)
        self.successResultOf(asked)
        self.failureResultOf(refused, LedgerUnavailable)
        self.runner.deny(True)
        self.failureResultOf(self.check())

    def test_every_lane(self) -> None:
        """A check fails if any lane does not answer."""
        other = StoreRunner(self.store)
        self.ledger.open([self.runner, other])
        self.successResultOf(self.check())
        other.failure, other.failures = LedgerUnavailable(), 1
        self.failureResultOf(self.check(), LedgerUnavailable)

    def test_read(self) -> None:
        """A check that does not write asks the database all the same."""
        self.successResultOf(self.check())
        self.store.close()
        self.failureResultOf(self.check())

    def test_away(self) -> None:
        """A database that does not answer is of no use."""
        self.successResultOf(self.check())
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.failureResultOf(self.check(), LedgerUnavailable)


class ConditionOnSqlite(OnSqlite, ConditionRules):
    """On a SQLite file."""

    def test_reaches_the_disk(self) -> None:
        """A check that tries a write changes rows: one that touches none would not reach the disk."""
        before = self.store._connection.total_changes
        self.successResultOf(self.check())
        self.assertEqual(self.store._connection.total_changes, before + 2)


class ConditionOnPostgres(OnPostgres, ConditionRules):
    """On PostgreSQL."""
