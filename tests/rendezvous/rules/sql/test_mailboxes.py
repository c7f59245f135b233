"""Tests of `rendezvous.rules.sql.mailboxes`; what the statements do is tested with the rules."""

from __future__ import annotations

from rendezvous.rules import schema
from rendezvous.rules.sql import mailboxes as sql
from rendezvous.rules.sql.mailboxes import get_mailbox
from tests.rendezvous.exchanges import APP, OTHER_APP, A, B, C, RulesCase
from tests.rendezvous.plans import assert_indexed
from tests.rendezvous.stores import OnPostgres, OnSqlite


class MailboxStatementRules(RulesCase):
    """How mailboxes are found."""

    __test__ = False

    def test_indexed(self) -> None:
        """Every statement finds its rows through an index."""
        assert_indexed(self.store, sql)

    def test_get(self) -> None:
        """A mailbox is read with all that its row has, by its application and id."""
        self.claim(A)
        self.now += 5
        self.open(B, "box1")
        self.close(A, "box1", "scary")
        found = self.store.run(lambda tx: get_mailbox(tx, APP, "box1"))
        if found is None:
            raise AssertionError(found)
        self.assertEqual((found.app, found.mailbox, found.nameplate), (APP, "box1", "7"))
        self.assertEqual((found.first_side, found.second_side), (A, B))
        self.assertEqual((bool(found.first_open), bool(found.second_open)), (False, True))
        self.assertEqual((found.first_mood, found.second_mood), ("scary", None))
        self.assertEqual((found.created, found.second_came, found.used), (1000.0, 1005.0, 1005.0))
        self.assertFalse(found.crowded)
        for app, name in ((APP, "box2"), (OTHER_APP, "box1")):
            self.assertIsNone(
                self.store.run(lambda tx, app=app, name=name: get_mailbox(tx, app, name))  # type: ignore[misc]
            )

    def test_join_as_second(self) -> None:
        """A side that is neither the first nor a third joins, without a look at the row before."""
        self.open(A)
        for side, mailbox, changed, second in (
            (A, "box", 0, None),
            (B, "another box", 0, None),
            (B, "box", 1, B),
            (B, "box", 0, B),
            (C, "box", 0, B),
        ):
            count = self.store.run(
                lambda tx, side=side, mailbox=mailbox: tx.count(  # type: ignore[misc]
                    sql.JOIN_AS_SECOND,
                    the_app=APP,
                    the_mailbox=mailbox,
                    the_side=side,
                    now=self.now,
                )
            )
            self.assertEqual(count, changed)
            self.assertEqual(self.store.rows(schema.mailboxes, "second_side"), [second])

    def test_close_counts(self) -> None:
        """A close reads how many nameplates point to the mailbox, and its newest message."""
        self.claim(A)
        self.claim(A, app=OTHER_APP)
        self.add(A, "0", mailbox="box1")
        self.add(A, "1", mailbox="box1")
        self.open(A, "other")
        # Its nameplate was claimed anew, for another mailbox.
        self.claim(A, "8")
        self.release(A, "8")
        self.claim(B, "8")
        for mailbox, counts in (("box1", (1, 2)), ("other", (0, 0)), ("box3", (0, 0))):
            closed = self.store.run(
                lambda tx, mailbox=mailbox: tx.one(  # type: ignore[misc]
                    sql.CLOSE,
                    the_app=APP,
                    the_mailbox=mailbox,
                    the_side=A,
                    the_mood="happy",
                    now=self.now,
                )
            )
            self.assertEqual((closed.nameplates, closed.newest), counts)


class MailboxStatementsOnSqlite(OnSqlite, MailboxStatementRules):
    """On SQLite."""


class MailboxStatementsOnPostgres(OnPostgres, MailboxStatementRules):
    """On PostgreSQL."""
