"""The rules of nameplates, mailboxes and messages, as a client would call them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.transaction import KeyTaken, Transaction
from rendezvous.protocol.moods import Retired
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import mailboxes, messages, nameplates, schema
from rendezvous.rules.messages import Page
from rendezvous.rules.nameplates import Claimed
from rendezvous.rules.sql.messages import Added
from tests.rendezvous.servers import LIMITS, USAGE
from tests.rendezvous.stores import ContendedTransaction, StoreCase

APP, OTHER_APP = "app", "another app"
A, B, C, D = "a", "b", "c", "d"


class RulesCase(StoreCase):
    """A case with the rules as a client would say them."""

    __test__ = False

    def setUp(self) -> None:
        """Begin at a time, with an empty database."""
        super().setUp()
        self.now = 1000.0
        self.limits = LIMITS.mailbox
        self._ids = count(1)

    def claim(self, side: str, name: str = "7", app: str = APP) -> str:
        """Claim; ids of new mailboxes are box1, box2, …"""
        return self.claimed(side, name, app).mailbox

    def claimed(
        self, side: str, name: str = "7", app: str = APP, not_new: ErrorKind | None = None
    ) -> Claimed:
        """Claim, and say what came of it."""
        return self.store.run(
            lambda tx: nameplates.claim(
                tx, app, side, name, lambda: f"box{next(self._ids)}", self.now, not_new
            )
        )

    def release(self, side: str, name: str = "7", app: str = APP) -> Retired:
        """Release."""
        return self.store.run(lambda tx: nameplates.release(tx, app, side, name, USAGE, self.now))

    def open(self, side: str, mailbox: str = "box", app: str = APP) -> Page:
        """Open."""
        return self.store.run(lambda tx: mailboxes.open_mailbox(tx, app, side, mailbox, self.now))

    def add(
        self, side: str, phase: str = "0", mailbox: str = "box", app: str = APP, body: str = "ab"
    ) -> Added:
        """Add a message that is not stored yet."""
        added = self.send(side, phase, mailbox, app, body)
        assert isinstance(added, Added)
        return added

    def send(
        self,
        side: str,
        phase: str = "0",
        mailbox: str = "box",
        app: str = APP,
        body: str = "ab",
        message_id: str = '"id"',
    ) -> Added | StoredMessage:
        """Add a message that may be stored already."""
        return self.store.run(
            lambda tx: messages.add(
                tx, app, side, mailbox, phase, body, message_id, self.limits, self.now
            )
        )

    def close(
        self, side: str, mailbox: str = "box", mood: str | None = "happy", app: str = APP
    ) -> Retired:
        """Close."""
        return self.store.run(
            lambda tx: mailboxes.close_mailbox(tx, app, side, mailbox, mood, USAGE, self.now)
        )

    def page(self, number: int, mailbox: str = "box", app: str = APP) -> Page:
        """Read a page."""
        return self.store.run(lambda tx: messages.read_page(tx, app, mailbox, number))

    def phases(self, page: Page) -> list[str]:
        """The phases on a page."""
        return [message.phase for message in page.messages]

    def refused(self, kind: ErrorKind, function: object, *args: object, **kwargs: object) -> None:
        """It is refused for that reason."""
        refusal: Refusal = self.assertRaises(Refusal, function, *args, **kwargs)
        self.assertIs(refusal.kind, kind)

    def crowded(self, function: object, *args: object, **kwargs: object) -> None:
        """It is refused to a third side."""
        self.refused(ErrorKind.CROWDED, function, *args, **kwargs)

    def needs(self, key: str, operation: Callable[[Transaction], object]) -> None:
        """It needs a key that another transaction holds, and writes nothing before it has it."""
        taken: KeyTaken = self.assertRaises(
            KeyTaken,
            self.store.run,
            lambda tx: operation(ContendedTransaction(tx, lambda each: each == key)),
        )
        self.assertEqual(taken.key, key)

    def nothing_left(self) -> None:
        """No nameplate, no mailbox, no message stands in the database."""
        for table in (
            schema.nameplates,
            schema.mailboxes,
            schema.messages,
            schema.discarded_mailboxes,
        ):
            self.assertEqual(self.store.rows(table), [])
