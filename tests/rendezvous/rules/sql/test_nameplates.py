"""Tests of `rendezvous.rules.sql.nameplates`; what the statements do is tested with the rules."""

from __future__ import annotations

from rendezvous.rules import schema
from rendezvous.rules.sql import nameplates as sql
from rendezvous.rules.sql.nameplates import get_nameplate
from tests.rendezvous.exchanges import APP, OTHER_APP, A, B, C, RulesCase
from tests.rendezvous.plans import assert_indexed
from tests.rendezvous.stores import OnPostgres, OnSqlite


class NameplateStatementRules(RulesCase):
    """How nameplates are found."""

    __test__ = False

    def test_indexed(self) -> None:
        """Every statement finds its rows through an index."""
        assert_indexed(self.store, sql)

    def test_get(self) -> None:
        """A nameplate is read with all that its row has, by its application and name."""
        self.claim(A)
        self.now += 5
        self.claim(B)
        found = self.store.run(lambda tx: get_nameplate(tx, APP, "7"))
        if found is None:
            raise AssertionError(found)
        self.assertEqual((found.app, found.name, found.mailbox), (APP, "7", "box1"))
        self.assertEqual((found.first_side, found.second_side), (A, B))
        self.assertEqual((found.created, found.second_came, found.used), (1000.0, 1005.0, 1005.0))
        for flag in (found.first_released, found.second_released, found.crowded):
            self.assertFalse(flag)
        for app, name in ((APP, "8"), (APP, "07"), (OTHER_APP, "7")):
            self.assertIsNone(
                self.store.run(lambda tx, app=app, name=name: get_nameplate(tx, app, name))  # type: ignore[misc]
            )

    def test_release(self) -> None:
        """A release marks the side that it names, once and for all, and no other; the row is its result."""
        self.claim(A)
        self.claim(B)
        self.now = 1005.0
        for side, released in (
            (C, None),
            (B, (False, True)),
            (B, (False, True)),
            (A, (True, True)),
            (B, (True, True)),
        ):
            plate = self.store.run(
                lambda tx, side=side: tx.one(  # type: ignore[misc]
                    sql.RELEASE,
                    the_app=APP,
                    the_digits=1,
                    the_name="7",
                    the_side=side,
                    now=self.now,
                )
            )
            found = plate and (bool(plate.first_released), bool(plate.second_released))
            self.assertEqual(found, released)
            used = self.store.rows(schema.nameplates, "used")
            self.assertEqual(used, [1000.0 if released is None else 1005.0])

    def test_release_of_the_only_side(self) -> None:
        """Where no second side came, none has released."""
        self.claim(A)
        plate = self.store.run(
            lambda tx: tx.one(
                sql.RELEASE, the_app=APP, the_digits=1, the_name="7", the_side=A, now=self.now
            )
        )
        if plate is None:
            raise AssertionError(plate)
        self.assertEqual((bool(plate.first_released), bool(plate.second_released)), (True, False))


class NameplateStatementsOnSqlite(OnSqlite, NameplateStatementRules):
    """On SQLite."""


class NameplateStatementsOnPostgres(OnPostgres, NameplateStatementRules):
    """On PostgreSQL."""
