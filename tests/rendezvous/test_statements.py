"""Tests of `rendezvous.statements`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import sqlalchemy as sa

from rendezvous import schema
from rendezvous.statements import Transaction, prepare
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase

_T = schema.client_usage
_P = sa.bindparam
_ADD = prepare(
    sa.insert(_T)
    .values(app=_P("the_app"), started=_P("now"), implementation="literal", version=_P("the_app"))
    .inline()
)
_ALL = prepare(sa.select(_T.c.app, _T.c.started, _T.c.implementation).order_by(_T.c.started))
_ONE = prepare(sa.select(_T.c.app).where(_T.c.started == _P("now")))
_AGE = prepare(sa.update(_T).values(started=_T.c.started + _P("now")))


class StatementRules(StoreCase):
    """Core constructs, compiled once, on either driver."""

    __test__ = False

    def add(self, *names: str) -> None:
        """A row for each name, a second apart."""
        for now, name in enumerate(names):
            self.store.run(lambda tx, now=now, name=name: tx.run(_ADD, the_app=name, now=now))  # type: ignore[misc]

    def test_values_and_literals(self) -> None:
        """Named values and the construct's own literals reach the driver; a name may come twice."""
        self.add("%s ?:x'\"", "é")
        self.assertEqual(
            self.store.run(lambda tx: list(tx.all(_ALL))),
            [("%s ?:x'\"", 0.0, "literal"), ("é", 1.0, "literal")],
        )

    def test_one(self) -> None:
        """One row, or None."""
        self.add("a")
        self.assertEqual(self.store.run(lambda tx: tx.one(_ONE, now=0.0)), ("a",))
        self.assertIsNone(self.store.run(lambda tx: tx.one(_ONE, now=5.0)))

    def test_rowcount(self) -> None:
        """A statement tells how many rows it touched."""
        self.add("a", "b", "c")
        self.assertEqual(self.store.run(lambda tx: tx.count(_AGE, now=10.0)), 3)

    def test_each(self) -> None:
        """Rows come one by one, and whoever has enough may stop and run another statement."""
        self.add("a", "b", "c")

        def operation(tx: Transaction) -> list[object]:
            seen: list[object] = []
            for row in tx.each(_ALL):
                seen.append(row[0])
                if len(seen) == 2:
                    break
            seen.append(tx.one(_ONE, now=2.0))
            return seen

        self.assertEqual(self.store.run(operation), ["a", "b", ("c",)])

    def test_many(self) -> None:
        """The same statement for many rows, or for none."""
        rows = [{"the_app": str(n), "now": float(n)} for n in range(5)]
        self.store.run(lambda tx: tx.many(_ADD, rows))
        self.store.run(lambda tx: tx.many(_ADD, []))
        self.assertEqual(len(self.store.rows(_T, "id")), 5)

    def test_missing_value(self) -> None:
        """A value that was forgotten is an error, never a null."""
        with self.assertRaises(Exception):  # noqa: B017 - each driver has its own
            self.store.run(lambda tx: tx.run(_ADD, the_app="a"))
        self.assertEqual(self.store.rows(_T), [])

    def test_alone(self) -> None:
        """Where nobody else writes, every turn is one's own."""
        self.assertTrue(self.store.run(lambda tx: tx.try_lock("key")))


class StatementsOnSqlite(OnSqlite, StatementRules):
    """On SQLite."""


class StatementsOnPostgres(OnPostgres, StatementRules):
    """On PostgreSQL."""
