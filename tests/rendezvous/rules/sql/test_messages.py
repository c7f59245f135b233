"""Tests of `rendezvous.rules.sql.messages`; what the statements do is tested with the rules."""

from __future__ import annotations

from operator import itemgetter

from rendezvous.rules import schema
from rendezvous.rules.sql import messages as sql
from tests.rendezvous.exchanges import APP, A, B, C, RulesCase
from tests.rendezvous.plans import assert_indexed
from tests.rendezvous.stores import OnPostgres, OnSqlite


class MessageStatementRules(RulesCase):
    """How messages are found and numbered."""

    __test__ = False

    def test_indexed(self) -> None:
        """Every statement finds its rows through an index."""
        assert_indexed(self.store, sql)

    def test_newest(self) -> None:
        """The newest number is that of the last message of the mailbox, and 0 if there is none."""
        for mailbox, count in (("empty", 0), ("box", 3)):
            self.open(A, mailbox)
            for phase in range(count):
                self.add(A, str(phase), mailbox=mailbox)
            (row_id,) = (
                row_id
                for row_id, name in self.store.rows(schema.mailboxes, "id", "mailbox")
                if name == mailbox
            )
            newest = self.store.run(lambda tx, row_id=row_id: tx.one(sql.NEWEST, the_id=row_id))  # type: ignore[misc]
            self.assertEqual(newest, count)

    def place(self, side: str) -> int | None:
        """The number of the newest message, where a side may add one."""
        place = self.store.run(
            lambda tx: tx.one(
                sql.PLACE,
                the_app=APP,
                the_mailbox="box",
                the_side=side,
                the_phase="0",
                the_body="",
            )
        )
        return None if place is None else place.newest

    def test_place(self) -> None:
        """There is a place for a side that has the mailbox open, first or second, and for no other."""
        self.assertIsNone(self.place(A))
        self.open(A)
        self.open(B)
        self.assertEqual([self.place(side) for side in (A, B, C)], [0, 0, None])
        self.add(A)
        self.close(A)
        self.assertEqual([self.place(side) for side in (A, B, C)], [None, 1, None])
        self.open(A)
        self.close(B)
        self.assertEqual([self.place(side) for side in (A, B, C)], [1, None, None])

    def numbers(self, first: int) -> list[int | None]:
        """The numbers on a page, and None for a mailbox without messages, from either statement."""
        values = {"the_app": APP, "the_mailbox": "box", "the_number": first}
        plain, locked = (
            self.store.run(lambda tx, query=query: list(tx.each(query, **values)))  # type: ignore[misc]
            for query in (sql.PAGE, sql.PAGE_FOR_UPDATE)
        )
        self.assertEqual(plain, locked)
        return [message and message.number for _, message in plain]

    def test_page(self) -> None:
        """A page begins with a number, and has one message more than are shown."""
        self.assertEqual(self.numbers(1), [])
        self.open(A)
        self.assertEqual(self.numbers(1), [None])
        total = sql.PAGE_MESSAGES + 3
        for phase in range(total):
            self.add(A, str(phase))
        self.assertEqual(self.numbers(1), list(range(1, sql.PAGE_MESSAGES + 2)))
        self.assertEqual(self.numbers(total - 1), [total - 1, total])
        self.assertEqual(self.numbers(total + 1), [None])

    def test_delete(self) -> None:
        """As many messages are deleted as go at once."""
        self.open(A)
        for phase in range(sql.MAX_DELETE_MESSAGES + 1):
            self.add(A, str(phase))
        (box,) = self.store.rows(schema.mailboxes, "id")
        self.store.run(lambda tx: tx.run(sql.DELETE, the_id=box))
        self.assertEqual(self.store.rows(schema.messages, "number"), [sql.MAX_DELETE_MESSAGES + 1])


class MessageStatementsOnSqlite(OnSqlite, MessageStatementRules):
    """On SQLite."""

    def test_bound_at_once(self) -> None:
        """A message is stored without parameters of SQLAlchemy's own, which would take the longest."""
        for statement in (sql.PLACE, sql.INSERT):
            _, bind = statement.compiled(self.store.engine.dialect)
            self.assertIsInstance(bind, itemgetter)


class MessageStatementsOnPostgres(OnPostgres, MessageStatementRules):
    """On PostgreSQL."""
