"""Tests of `rendezvous.rules.messages`: docs/protocol.md, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import contextlib

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import mailbox_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import messages, schema
from rendezvous.rules.messages import MailboxLimits, Page
from rendezvous.rules.sql import messages as sql
from tests.rendezvous.exchanges import APP, OTHER_APP, A, B, RulesCase
from tests.rendezvous.stores import OnPostgres, OnSqlite


class MessageRules(RulesCase):
    """Messages are stored once and read in order."""

    __test__ = False

    def test_replay(self) -> None:
        """Messages come back in the order in which they were stored, with all that they came with."""
        self.open(A)
        self.open(B)
        expected = []
        for number, side in enumerate((A, B, A, A), 1):
            self.now += 0.25
            added = self.add(side, f"phase {number}", body=f"body {number}")
            stored = StoredMessage(
                number, side, f"phase {number}", f"body {number}", '"id"', self.now
            )
            self.assertEqual(added.number, number)
            expected.append(stored)
        for side in (A, B):
            self.assertEqual(self.open(side), Page(expected, 4))

    def test_repeated(self) -> None:
        """A message of the same side, phase and body is stored once, however late it is repeated."""
        first = StoredMessage(1, A, "0", "ab", '"id"', self.now)
        self.open(A)
        self.open(B)
        self.add(A, "0")
        late = schema.UNINDEXED_MESSAGES + 20
        for number in range(2, late + 1):
            self.now += 1
            self.assertEqual(self.send(A, "0", message_id="7"), first)
            self.add(A, f"phase {number}")
        for number in (2, late - 20, late - 19, late):
            stored = self.send(A, f"phase {number}")
            self.assertIsInstance(stored, StoredMessage)
            self.assertEqual(getattr(stored, "number", 0), number)
        self.assertEqual(self.add(B, "last").number, late + 1)

    def test_not_repeated(self) -> None:
        """Another side, another phase, another body or another mailbox makes it another message."""
        self.open(A)
        self.open(B)
        self.open(A, "other")
        self.open(A, app=OTHER_APP)
        self.add(A, "0", body="ab")
        self.add(B, "0", body="ab")
        self.add(A, "1", body="ab")
        self.add(A, "0", body="abc")
        self.add(A, "0", "other", body="ab")
        self.add(A, "0", app=OTHER_APP, body="ab")
        self.assertEqual(self.phases(self.open(A)), ["0", "0", "1", "0"])

    def test_repeated_without_the_mailbox(self) -> None:
        """A side that has closed the mailbox is refused, whether or not it repeats a message."""
        self.open(A)
        self.open(B)
        self.add(A)
        self.close(A)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.send, A)

    def test_repeated_in_a_large_mailbox(self) -> None:
        """A message is not looked for among all of its mailbox: the index has those behind the first ones."""
        dialect = self.store.engine.dialect
        if dialect.name != "sqlite":
            return
        self.open(A)
        with self.store.engine.connect() as connection:
            text, _ = sql.EQUAL_LATER.compiled(dialect)
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN " + text, (None,) * text.count("?")
            )
            self.assertIn("ix_messages_later", "\n".join(str(row.detail) for row in plan))

    def test_most_messages(self) -> None:
        """A mailbox takes as many messages as it may hold; one that it has is answered all the same."""
        self.limits = MailboxLimits(messages=3, size=1000)
        self.open(A)
        self.open(B)
        for phase in ("0", "1", "2"):
            self.add(A, phase)
        self.refused(ErrorKind.MAILBOX_FULL, self.add, B)
        self.assertIsInstance(self.send(A, "1"), StoredMessage)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, "c")
        self.assertEqual(self.phases(self.open(B)), ["0", "1", "2"])

    def test_most_bytes(self) -> None:
        """A mailbox takes messages up to the size that it may hold, whichever side they come from."""
        self.limits = MailboxLimits(messages=1000, size=100)
        self.open(A)
        self.open(B)
        # Each has seven characters beside its body: one of its side, two of its phase, four of its id.
        self.add(A, "00", body="x" * 33)
        self.add(B, "00", body="x" * 33)
        self.refused(ErrorKind.MAILBOX_FULL, self.add, A, "01", body="x" * 14)
        self.add(A, "01", body="x" * 13)
        self.refused(ErrorKind.MAILBOX_FULL, self.add, B, "", body="")
        self.assertEqual(self.phases(self.open(B)), ["00", "00", "01"])
        self.assertEqual(self.store.rows(schema.messages, "number", "total")[-1], (3, 100))

    def test_most_bytes_of_any_script(self) -> None:
        """A character counts for as many bytes as it has in UTF-8, wherever it stands."""
        self.limits = MailboxLimits(messages=1000, size=100)
        self.open("é")
        self.refused(ErrorKind.MAILBOX_FULL, self.add, "é", "日", body="😀" * 23)
        self.add("é", "日", body="😀" * 22)
        # Two of its side, three of its phase, four of its id, four of each character.
        self.assertEqual(self.store.rows(schema.messages, "total"), [97])

    def test_other_mailboxes(self) -> None:
        """A mailbox that is full takes nothing from another one, nor from one that follows it."""
        self.limits = MailboxLimits(messages=1, size=100)
        self.open(A)
        self.add(A)
        self.open(A, "other")
        self.add(A, "0", "other")
        self.close(A)
        self.open(A)
        self.add(A)

    def test_any_text(self) -> None:
        """Names and bodies may be empty, long, or of any letters."""
        mailbox, side, app = "é😀" * 170, "\u2028\x01", "'\"\\%s:x"
        self.open(side, mailbox, app)
        body = "\U0010ffff" * 60_000
        self.add(side, "", mailbox, app, body)
        page = self.open(side, mailbox, app)
        self.assertEqual((page.messages[0].body, page.messages[0].side), (body, side))
        self.open("", "", "")
        self.add("", "", "", "", "")
        self.assertEqual(self.open("", "", "").messages[0].body, "")

    def test_second_side(self) -> None:
        """The second side gets what the first has stored, before and after it came."""
        self.open(A)
        self.add(A, "pake")
        self.assertEqual(self.phases(self.open(B)), ["pake"])
        self.add(B, "version")
        self.assertEqual(self.phases(self.open(A)), ["pake", "version"])

    def test_add_needs_an_open_mailbox(self) -> None:
        """Who has not opened the mailbox, or has closed it, adds nothing."""
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, A)
        self.open(A)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, B)
        self.open(B)
        self.close(A)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, A)
        self.assertEqual(self.open(B), Page([], 0))

    def test_row_of_a_page(self) -> None:
        """A page tells which row the mailbox has; 0 if it had none when the page was read."""
        self.assertEqual(Page([], 0).mailbox_id, 0)
        self.assertEqual((self.page(1).mailbox_id, self.open(A).mailbox_id), (0, 0))
        (row_id,) = self.store.rows(schema.mailboxes, "id")
        self.assertEqual((self.page(1).mailbox_id, self.open(A).mailbox_id), (row_id, row_id))
        added = self.add(A)
        self.assertEqual((added.mailbox_id, self.page(1).mailbox_id), (row_id, row_id))

    def test_announced(self) -> None:
        """A stored message is announced to other instances, by its mailbox's key; a refused one is not."""
        self.open(A)

        def add(tx: Transaction, side: str) -> dict[str, tuple[int, int]]:
            with contextlib.suppress(Refusal):
                messages.add(tx, APP, side, "box", "0", "", "null", self.limits, self.now)
            return dict(tx.announced)

        (row_id,) = self.store.rows(schema.mailboxes, "id")
        for side, announced in ((A, {mailbox_key(APP, "box"): (row_id, 1)}), (B, {})):
            found = self.store.run(lambda tx, side=side: add(tx, side))  # type: ignore[misc]
            self.assertEqual(found, announced)

    def test_page_to_the_letter(self) -> None:
        """A page ends once its bodies have as many letters as it takes."""
        for size, phases in ((messages.PAGE_SIZE - 1, ["0", "1"]), (messages.PAGE_SIZE, ["0"])):
            mailbox = f"box of {size}"
            self.open(A, mailbox)
            for phase, body in (("0", "f" * size), ("1", "f"), ("2", "f")):
                self.add(A, phase, mailbox, body=body)
            page = self.page(1, mailbox)
            self.assertEqual((self.phases(page), page.latest), (phases, len(phases) + 1))

    def test_read_page(self) -> None:
        """A page begins with the number asked for; it is empty where the mailbox is gone."""
        self.open(A)
        for number in range(1, 6):
            self.add(A, str(number))
        self.assertEqual(self.phases(self.page(4)), ["4", "5"])
        self.assertEqual(self.page(6).messages, [])
        self.close(A)
        self.assertEqual(self.page(1), Page([], 0))

    def test_long_mailbox_is_read_in_pages(self) -> None:
        """A page holds a bounded number of messages; the pages together hold all, each once."""
        self.open(A)
        total = 2 * sql.PAGE_MESSAGES + 1
        for number in range(1, total + 1):
            self.add(A, str(number))
        page = self.open(A)
        self.assertEqual(len(page.messages), sql.PAGE_MESSAGES)
        self.assertEqual(self.all_phases(page), [str(n) for n in range(1, total + 1)])

    def test_large_messages_are_read_in_pages(self) -> None:
        """A page holds a bounded number of bytes, and one message at least."""
        self.open(A)
        for number in range(1, 6):
            self.add(A, str(number), body="f" * (messages.PAGE_SIZE // 2 + 1))
        page = self.open(A)
        self.assertEqual(self.phases(page), ["1", "2"])
        self.assertEqual(self.all_phases(page), ["1", "2", "3", "4", "5"])
        self.add(A, "6", body="f" * (3 * messages.PAGE_SIZE))
        self.assertEqual(self.phases(self.page(6)), ["6"])

    def all_phases(self, page: Page) -> list[str]:
        """From this page on."""
        phases = self.phases(page)
        while page.messages and page.messages[-1].number < page.latest:
            page = self.page(page.messages[-1].number + 1)
            phases += self.phases(page)
        return phases


class MessagesOnSqlite(OnSqlite, MessageRules):
    """Messages on SQLite."""


class MessagesOnPostgres(OnPostgres, MessageRules):
    """Messages on PostgreSQL."""
