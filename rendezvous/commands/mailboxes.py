"""
The commands on mailboxes: `open`, `add` and `close`.
"""

from __future__ import annotations

from sys import getsizeof

from msgspec import UNSET

from rendezvous.commands.command import Command, Context, Listener
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import mailbox_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.envelope import (
    MAX_IDENTIFIER_BYTES,
    MAX_LABEL_BYTES,
    Envelope,
    read_body,
    read_text,
    utf8_length,
    wrong_value,
)
from rendezvous.protocol.moods import Mood, Retired, mood_of_client
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import mailboxes, messages
from rendezvous.rules.messages import Page
from rendezvous.rules.sql.messages import Added
from rendezvous.sharing.accounts import MESSAGE_BYTES, mailbox_bytes
from rendezvous.sharing.allowance import ClientAllowance
from rendezvous.subscriptions import Address


class Open(Command[Page]):
    """
    Asks for the messages of a mailbox, old and new.

    The connection subscribes before the ledger is asked, so that it misses nothing that is stored meanwhile.
    """

    __slots__ = ("address", "cost", "first_use", "keys", "mailbox", "not_new")
    kind = CommandKind.OPEN

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        conversation = self.conversation
        conversation.check(self.kind)
        if envelope.mailbox is UNSET:
            raise Refusal(ErrorKind.OPEN_WITHOUT_MAILBOX)
        self.mailbox = read_text("mailbox", envelope.mailbox, at_most=MAX_IDENTIFIER_BYTES)
        conversation.advance(self.kind)
        conversation.mailbox = self.mailbox
        # One tuple, which the subscription and what counts mailboxes keep.
        self.address: Address = (conversation.app, self.mailbox)
        self.keys = (mailbox_key(conversation.app, self.mailbox),)
        self.cost = mailbox_bytes(conversation.app, conversation.side, self.mailbox)
        self.not_new: ErrorKind | None = None
        self.first_use = False

    def take(self, allowance: ClientAllowance) -> None:
        """See `Command.take`; the mailbox most likely exists."""
        allowance.check_listeners(self.address, self.conversation.side)
        self.not_new = allowance.take_mailbox(self.cost, self.arrived)

    def keep(self, allowance: ClientAllowance, result: Page) -> None:
        """See `Command.keep`."""
        if self.not_new is not None:
            return
        if result.created:
            allowance.keep_mailbox(self.address, None, self.cost)
        else:
            allowance.give_mailbox_back(self.cost, self.arrived)

    def give_back(self, allowance: ClientAllowance, refusal: Refusal) -> None:  # noqa: ARG002 - whatever it is
        """See `Command.give_back`."""
        if self.not_new is None:
            allowance.give_mailbox_back(self.cost, self.arrived)

    def start(self, listener: Listener) -> None:
        """See `Command.start`."""
        self.first_use = listener.subscribe(self.address, self.conversation.side)

    def perform(self, tx: Transaction, context: Context) -> Page:  # noqa: ARG002 - uses nothing else
        """See `Command.perform`."""
        app, side = self.conversation.app, self.conversation.side
        return mailboxes.open_mailbox(tx, app, side, self.mailbox, self.received, self.not_new)

    def finish(self, listener: Listener, result: Page) -> None:
        """See `Command.finish`."""
        listener.show_page(result)

    def undo(self, listener: Listener) -> None:
        """See `Command.undo`; a mailbox that the connection has claimed stays in use."""
        listener.unsubscribe()
        if self.first_use:
            listener.stop_using(self.address)
        if self.conversation.reverse(self.kind):
            self.conversation.mailbox = None


class Add(Command[Added | StoredMessage]):
    """Stores a message in the open mailbox; one that is stored already is only sent back to the client."""

    __slots__ = ("body", "cost", "keys", "mailbox", "message_id", "phase", "size")
    kind = CommandKind.ADD

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        conversation = self.conversation
        conversation.check(self.kind)
        if envelope.phase is UNSET:
            raise Refusal(ErrorKind.ADD_WITHOUT_PHASE)
        if envelope.body is UNSET:
            raise Refusal(ErrorKind.ADD_WITHOUT_BODY)
        message_id = bytes(envelope.id)
        if len(message_id) > MAX_LABEL_BYTES:
            raise wrong_value(f"'id' must have at most {MAX_LABEL_BYTES} bytes")
        self.phase = read_text("phase", envelope.phase, at_most=MAX_LABEL_BYTES)
        self.body = read_body(envelope.body)
        self.message_id = message_id.decode()
        self.mailbox = conversation.mailbox or ""
        self.keys = (mailbox_key(conversation.app, self.mailbox),)
        self.size = getsizeof(self.body)
        # Bytes that it takes in the database, whose index has the side and the phase again.
        labels = conversation.side + self.phase
        self.cost = (
            MESSAGE_BYTES + utf8_length(self.body) + 2 * utf8_length(labels) + len(message_id)
        )

    def take(self, allowance: ClientAllowance) -> None:
        """See `Command.take`."""
        allowance.take_bytes(self.cost, self.arrived)

    def keep(self, allowance: ClientAllowance, result: Added | StoredMessage) -> None:
        """See `Command.keep`; a repeated message was stored before."""
        if isinstance(result, Added):
            allowance.keep_bytes((self.conversation.app, self.mailbox), self.cost)
        else:
            allowance.give_bytes_back(self.cost)

    def give_back(self, allowance: ClientAllowance, refusal: Refusal) -> None:  # noqa: ARG002 - whatever it is
        """See `Command.give_back`."""
        allowance.give_bytes_back(self.cost)

    def perform(self, tx: Transaction, context: Context) -> Added | StoredMessage:
        """See `Command.perform`."""
        return messages.add(
            tx,
            self.conversation.app,
            self.conversation.side,
            self.mailbox,
            self.phase,
            self.body,
            self.message_id,
            context.mailbox_limits,
            self.received,
        )

    def reply(self, result: Added | StoredMessage, now: float) -> bytes | None:
        """See `Command.reply`."""
        return replies.message(result, now) if isinstance(result, StoredMessage) else None

    def publish(self, context: Context, result: Added | StoredMessage) -> None:
        """See `Command.publish`; the connection itself gets its message like any other listener."""
        if isinstance(result, StoredMessage):
            return
        message = StoredMessage(
            result.number,
            self.conversation.side,
            self.phase,
            self.body,
            self.message_id,
            self.received,
            self.arrived,
        )
        context.subscriptions.stored(
            (self.conversation.app, self.mailbox), result.mailbox_id, message
        )

    def stored_number(self, result: Added | StoredMessage) -> int:
        """See `Command.stored_number`."""
        return result.number if isinstance(result, Added) else 0


class Close(Command[Retired]):
    """Gives up the mailbox that it names, or the one that the connection opened."""

    __slots__ = ("keys", "mailbox", "mood")
    kind = CommandKind.CLOSE

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        conversation = self.conversation
        conversation.check(self.kind)
        opened = mailbox = conversation.mailbox
        if envelope.mailbox is not UNSET:
            mailbox = read_text("mailbox", envelope.mailbox, at_most=MAX_IDENTIFIER_BYTES)
        self.mood = None
        if envelope.mood is not UNSET and envelope.mood is not None:
            self.mood = read_text("mood", envelope.mood, at_most=MAX_LABEL_BYTES)
        if mailbox is None:
            raise Refusal(ErrorKind.CLOSE_BEFORE_OPEN)
        if opened not in (None, mailbox):
            raise Refusal(ErrorKind.CLOSE_OF_ANOTHER)
        conversation.advance(self.kind)
        conversation.mailbox = self.mailbox = mailbox
        self.keys = (mailbox_key(conversation.app, mailbox),)

    def perform(self, tx: Transaction, context: Context) -> Retired:
        """See `Command.perform`."""
        app, side = self.conversation.app, self.conversation.side
        return mailboxes.close_mailbox(
            tx, app, side, self.mailbox, self.mood, context.usage, self.received
        )

    def keep(self, allowance: ClientAllowance, result: Retired) -> None:  # noqa: ARG002 - whatever was removed
        """See `Command.keep`."""
        if self.mood == Mood.SCARY.value:
            allowance.closed_scary(self.arrived)

    def reply(self, result: Retired, now: float) -> bytes:  # noqa: ARG002 - the client is told nothing of it
        """See `Command.reply`."""
        return replies.closed(now)

    def finish(self, listener: Listener, result: Retired) -> None:  # noqa: ARG002 - as above
        """See `Command.finish`."""
        listener.unsubscribe()
        listener.stop_using((self.conversation.app, self.mailbox))

    def publish(self, context: Context, result: Retired) -> None:
        """See `Command.publish`."""
        if result.mailbox is not None:
            context.accounts.mailbox_removed((self.conversation.app, self.mailbox))
        context.observer.retired(result)
        if self.conversation.is_web_client:
            context.observer.web_client_closed(mood_of_client(self.mood))

    def undo(self, listener: Listener) -> None:
        """See `Command.undo`; whatever the ledger says, the connection gets no more messages."""
        listener.unsubscribe()
        self.conversation.reverse(self.kind)
