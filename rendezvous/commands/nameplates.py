"""
The commands on nameplates: `list`, `allocate`, `claim` and `release`.
"""

from __future__ import annotations

from msgspec import UNSET

from rendezvous.commands.command import Command, Context, Listener
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import nameplate_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.envelope import Envelope, read_nameplate
from rendezvous.protocol.moods import Retired
from rendezvous.rules import nameplates
from rendezvous.rules.nameplates import Allocated, Claimed, new_mailbox_id
from rendezvous.sharing.accounts import mailbox_bytes
from rendezvous.sharing.allowance import ClientAllowance

# The shortest entry of a list is {"id":"1"} and a comma.
_MIN_ENTRY_BYTES = 11


class List(Command[list[str]]):
    """Asks for the nameplates that wait for their second side."""

    __slots__ = ("max_bytes",)
    kind = CommandKind.LIST

    def read(self, envelope: Envelope) -> None:  # noqa: ARG002 - it has no values
        """See `Command.read`."""
        self.conversation.advance(self.kind)
        self.max_bytes = (
            replies.MAX_LIST_BYTES
            if self.conversation.reads_long_messages
            else replies.MAX_SHORT_LIST_BYTES
        )

    def perform(self, tx: Transaction, context: Context) -> list[str]:
        """See `Command.perform`."""
        if not context.list_allowed:
            return []
        at_most = self.max_bytes // _MIN_ENTRY_BYTES
        return nameplates.list_nameplates(tx, self.conversation.app, at_most)

    def reply(self, result: list[str], now: float) -> bytes:
        """See `Command.reply`."""
        return replies.nameplates(result, self.max_bytes, now)


class Allocate(Command[Allocated]):
    """Asks for a nameplate that is free. Its operation takes the nameplate's key when it has found one."""

    __slots__ = ("cost",)
    kind = CommandKind.ALLOCATE

    def take(self, allowance: ClientAllowance) -> None:
        """See `Command.take`."""
        not_new = allowance.take_mailbox(self.cost, self.arrived)
        if not_new is not None:
            raise Refusal(not_new)

    def keep(self, allowance: ClientAllowance, result: Allocated) -> None:
        """See `Command.keep`."""
        allowance.keep_mailbox((self.conversation.app, result.mailbox), result.nameplate, self.cost)
        allowance.allocated(result.nameplate)

    def give_back(self, allowance: ClientAllowance, refusal: Refusal) -> None:  # noqa: ARG002 - whatever it is
        """See `Command.give_back`."""
        allowance.give_mailbox_back(self.cost, self.arrived)

    def read(self, envelope: Envelope) -> None:  # noqa: ARG002 - it has no values
        """See `Command.read`."""
        conversation = self.conversation
        conversation.advance(self.kind)
        self.cost = mailbox_bytes(conversation.app, conversation.side)

    def perform(self, tx: Transaction, context: Context) -> Allocated:
        """See `Command.perform`."""
        app, side = self.conversation.app, self.conversation.side
        return nameplates.allocate(tx, app, side, context.allocator, new_mailbox_id, self.received)

    def reply(self, result: Allocated, now: float) -> bytes:
        """See `Command.reply`."""
        return replies.allocated(result.nameplate, now)

    def finish(self, listener: Listener, result: Allocated) -> None:
        """See `Command.finish`."""
        listener.use((self.conversation.app, result.mailbox))


class Claim(Command[Claimed]):
    """Asks for a certain nameplate, and the mailbox that it points to."""

    __slots__ = ("cost", "keys", "nameplate", "not_new")
    kind = CommandKind.CLAIM

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        conversation = self.conversation
        conversation.check(self.kind)
        if envelope.nameplate is UNSET:
            raise Refusal(ErrorKind.CLAIM_WITHOUT_NAMEPLATE)
        self.nameplate = read_nameplate(envelope.nameplate)
        conversation.advance(self.kind)
        conversation.nameplate = self.nameplate
        self.keys = (nameplate_key(conversation.app, self.nameplate),)
        self.cost = mailbox_bytes(conversation.app, conversation.side)
        self.not_new: ErrorKind | None = None

    def delay(self, allowance: ClientAllowance) -> float:
        """See `Command.delay`: it may be a guess."""
        return allowance.delay(self.nameplate, self.arrived)

    def take(self, allowance: ClientAllowance) -> None:
        """See `Command.take`; the nameplate may exist."""
        self.not_new = allowance.take_mailbox(self.cost, self.arrived)

    def keep(self, allowance: ClientAllowance, result: Claimed) -> None:
        """See `Command.keep`."""
        if result.joined:
            allowance.joined()
        if self.not_new is not None:
            return
        if result.created:
            allowance.keep_mailbox(
                (self.conversation.app, result.mailbox), self.nameplate, self.cost
            )
        else:
            allowance.give_mailbox_back(self.cost, self.arrived)

    def give_back(self, allowance: ClientAllowance, refusal: Refusal) -> None:
        """See `Command.give_back`."""
        if self.not_new is None:
            allowance.give_mailbox_back(self.cost, self.arrived)
        if refusal.kind is ErrorKind.CROWDED:
            allowance.guessed(self.arrived)

    def perform(self, tx: Transaction, context: Context) -> Claimed:  # noqa: ARG002 - uses nothing else
        """See `Command.perform`."""
        app, side = self.conversation.app, self.conversation.side
        return nameplates.claim(
            tx, app, side, self.nameplate, new_mailbox_id, self.received, self.not_new
        )

    def reply(self, result: Claimed, now: float) -> bytes:
        """See `Command.reply`."""
        return replies.claimed(result.mailbox, now)

    def finish(self, listener: Listener, result: Claimed) -> None:
        """See `Command.finish`."""
        listener.use((self.conversation.app, result.mailbox))


class Release(Command[Retired]):
    """Gives up the nameplate that it names, or the one that the connection claimed."""

    __slots__ = ("keys", "nameplate")
    kind = CommandKind.RELEASE

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        conversation = self.conversation
        conversation.check(self.kind)
        claimed = conversation.nameplate
        if envelope.nameplate is not UNSET:
            self.nameplate = read_nameplate(envelope.nameplate)
            if claimed not in (None, self.nameplate):
                raise Refusal(ErrorKind.RELEASE_OF_ANOTHER)
        elif claimed is None:
            raise Refusal(ErrorKind.RELEASE_BEFORE_CLAIM)
        else:
            self.nameplate = claimed
        conversation.advance(self.kind)
        self.keys = (nameplate_key(conversation.app, self.nameplate),)

    def perform(self, tx: Transaction, context: Context) -> Retired:
        """See `Command.perform`."""
        app, side = self.conversation.app, self.conversation.side
        return nameplates.release(tx, app, side, self.nameplate, context.usage, self.received)

    def reply(self, result: Retired, now: float) -> bytes:  # noqa: ARG002 - the client is told nothing of it
        """See `Command.reply`."""
        return replies.released(now)

    def publish(self, context: Context, result: Retired) -> None:
        """See `Command.publish`."""
        if result.nameplate is not None:
            context.allocator.freed(self.conversation.app, self.nameplate)
            context.accounts.nameplate_removed(self.conversation.app, self.nameplate)
        context.observer.retired(result)
