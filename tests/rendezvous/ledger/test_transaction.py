"""Tests of `rendezvous.ledger.transaction`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import sqlalchemy as sa

from rendezvous.ledger.statements import prepare, prepare_value
from rendezvous.ledger.transaction import KeyTaken, Transaction
from rendezvous.rules import schema
from tests.rendezvous.stores import ContendedTransaction, OnPostgres, OnSqlite, StoreCase

_T = schema.client_usage
_P = sa.bindparam
_ADD = prepare(
    sa.insert(_T)
    .values(app=_P("the_app"), started=_P("now"), implementation="literal", version=_P("the_app"))
    .inline()
)
_NAMES = prepare_value(sa.select(_T.c.app).order_by(_T.c.started), str)
_ONE = prepare_value(sa.select(_T.c.app).where(_T.c.started == _P("now")), str)
_AGE = prepare(sa.update(_T).values(started=_T.c.started + _P("now")))


class TransactionRules(StoreCase):
    """Statements that an operation runs."""

    __test__ = False

    def add(self, *names: str) -> None:
        """A row for each name, a second apart."""
        for now, name in enumerate(names):
            self.store.run(lambda tx, now=now, name=name: tx.run(_ADD, the_app=name, now=now))  # type: ignore[misc]

    def test_all(self) -> None:
        """Every row, whatever characters are in it."""
        self.add("%s ?:x'\"", "é")
        self.assertEqual(self.store.run(lambda tx: tx.all(_NAMES)), ["%s ?:x'\"", "é"])
        self.assertEqual(self.store.rows(_T, "implementation"), ["literal"] * 2)

    def test_one(self) -> None:
        """One row, or None."""
        self.add("a")
        self.assertEqual(self.store.run(lambda tx: tx.one(_ONE, now=0.0)), "a")
        self.assertIsNone(self.store.run(lambda tx: tx.one(_ONE, now=5.0)))

    def test_count(self) -> None:
        """A statement tells how many rows it has changed."""
        self.add("a", "b", "c")
        self.assertEqual(self.store.run(lambda tx: tx.count(_AGE, now=10.0)), 3)

    def test_each(self) -> None:
        """Rows come one by one, and whoever has enough may stop and run another statement."""
        self.add("a", "b", "c")

        def operation(tx: Transaction) -> list[str | None]:
            seen: list[str | None] = []
            for name in tx.each(_NAMES):
                seen.append(name)
                if len(seen) == 2:
                    break
            seen.append(tx.one(_ONE, now=2.0))
            return seen

        self.assertEqual(self.store.run(operation), ["a", "b", "c"])
        self.assertEqual(self.store.run(lambda tx: list(tx.each(_NAMES))), ["a", "b", "c"])

    def test_many(self) -> None:
        """The same statement for many rows, or for none."""
        rows = [{"the_app": str(n), "now": float(n)} for n in range(5)]
        self.store.run(lambda tx: tx.many(_ADD, rows))
        self.store.run(lambda tx: tx.many(_ADD, []))
        self.assertEqual(len(self.store.rows(_T, "id")), 5)

    def test_later(self) -> None:
        """What is put off runs at the end, once, each statement with all its rows."""

        def operation(tx: Transaction) -> list[str]:
            tx.later(_ADD, the_app="a", now=0.0)
            tx.later(_AGE, now=10.0)
            tx.later(_ADD, the_app="b", now=1.0)
            before = tx.all(_NAMES)
            tx.finish()
            return before

        self.assertEqual(self.store.run(operation), [])
        self.assertEqual(sorted(self.store.rows(_T, "started")), [10.0, 11.0])

    def test_missing_value(self) -> None:
        """A value that was forgotten is an error, never a null."""
        with self.assertRaises(Exception):  # noqa: B017 - each driver has its own
            self.store.run(lambda tx: tx.run(_ADD, the_app="a"))
        self.assertEqual(self.store.rows(_T), [])

    def test_exclusive(self) -> None:
        """Where no other transaction can be under way every key is free."""

        def operation(tx: Transaction) -> tuple[bool, bool]:
            tx.lock("key")
            return tx.try_lock("key"), tx.exclusive

        self.assertEqual(self.store.run(operation), (True, True))

    def test_lock(self) -> None:
        """A key that another transaction holds cannot be locked; the exception names it."""

        def operation(tx: Transaction) -> None:
            contended = ContendedTransaction(tx, lambda key: key == "taken")
            contended.lock("free")
            contended.lock("taken")

        taken: KeyTaken = self.assertRaises(KeyTaken, self.store.run, operation)
        # Its text, which a log may show, does not name the key.
        self.assertEqual((taken.key, str(taken)), ("taken", ""))

    def test_announce(self) -> None:
        """Of each mailbox the newest message is announced."""

        def operation(tx: Transaction) -> dict[str, tuple[int, int]]:
            for key, number in (("a", 1), ("b", 5), ("a", 2)):
                tx.announce(key, 7, number)
            return tx.announced

        self.assertEqual(self.store.run(operation), {"a": (7, 2), "b": (7, 5)})


class TransactionOnSqlite(OnSqlite, TransactionRules):
    """On SQLite."""


class TransactionOnPostgres(OnPostgres, TransactionRules):
    """On PostgreSQL."""
