"""
The base class of all commands, and what a command may use of the server and of the connection that sent it.

Owns the life of a command: `read`, `delay`, `take`, `start`, `perform`, `keep`, `reply`, `finish`, `publish`;
or `give_back` and `undo`, if the ledger refuses it. A connection calls these in this order, and knows no
command by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

import attrs

from rendezvous.errors import Refusal
from rendezvous.ledger.transaction import Transaction
from rendezvous.observer import RendezvousObserver
from rendezvous.protocol.conversation import CommandKind, Conversation
from rendezvous.protocol.envelope import Envelope
from rendezvous.rules.allocation import Allocator
from rendezvous.rules.messages import MailboxLimits, Page
from rendezvous.rules.usage import Usage
from rendezvous.sharing.accounts import Accounts
from rendezvous.sharing.allowance import ClientAllowance
from rendezvous.subscriptions import Address, Subscriptions
from wormhole_limits.bounds import BoundObserver

R = TypeVar("R")


@attrs.frozen
class Context:
    """
    What commands use of the server beside the database.

    :ivar allocator: remembers which lengths of nameplates are full.
    :ivar list_allowed: whether `list` names the nameplates in use.
    :ivar mailbox_limits: what a mailbox may hold.
    :ivar accounts: what each address has in the database.
    """

    observer: RendezvousObserver
    bounds: BoundObserver
    subscriptions: Subscriptions
    usage: Usage
    allocator: Allocator
    list_allowed: bool
    mailbox_limits: MailboxLimits
    accounts: Accounts


class Listener(Protocol):
    """What commands change for the connection that sent them: which mailboxes it uses and listens to."""

    @property
    def replaying(self) -> bool:
        """Whether messages remain to be sent that were stored before the subscription."""

    def use(self, address: Address) -> None:
        """Keep a mailbox alive while the connection is there."""

    def stop_using(self, address: Address) -> None:
        """Keep it alive no longer."""

    def subscribe(self, address: Address, side: str) -> bool:
        """
        Use a mailbox, and send its messages to the client, old and new, once the first page is there.

        :return: whether the connection did not use the mailbox before.
        """

    def show_page(self, page: Page) -> None:
        """Send a page of the subscribed mailbox."""

    def unsubscribe(self) -> None:
        """Send no more messages."""


class Command(Generic[R]):
    """
    One command of a client.

    :param received: when it came, seconds since the epoch.
    :param arrived: the same by the steady clock.
    :raises Refusal: its values have the wrong form, or it is not allowed now.

    :cvar at_once: whether it is answered without waiting for the ledger.
    :ivar in_ledger: whether the ledger has to perform it.
    :ivar keys: what its operation reads and writes; operations with a key in common take turns.
    :ivar size: the bytes that its operation holds while it waits.
    """

    __slots__ = ("arrived", "conversation", "received")

    kind: ClassVar[CommandKind]
    at_once: ClassVar[bool] = False
    in_ledger: bool = True
    keys: Sequence[str] = ()
    size: int = 0

    def __init__(
        self, envelope: Envelope, conversation: Conversation, received: float, arrived: float
    ) -> None:
        self.conversation = conversation
        self.received = received
        self.arrived = arrived
        self.read(envelope)

    def read(self, envelope: Envelope) -> None:
        """
        Take the values out of the message, and move the conversation to its next state.

        :raises Refusal: a value has the wrong form, or the command is not allowed now; nothing has changed.
        """
        raise NotImplementedError

    def delay(self, allowance: ClientAllowance) -> float:  # noqa: ARG002 - for those that wait
        """Return for how many seconds it, and what follows it on its connection, has to wait."""
        return 0.0

    def take(self, allowance: ClientAllowance) -> None:
        """
        Take what it needs of what clients share, before the ledger is asked.

        :raises Refusal: the client has taken too much; nothing was taken.
        """

    def keep(self, allowance: ClientAllowance, result: R) -> None:
        """Keep what its result shows to be used, and give back the rest."""

    def give_back(self, allowance: ClientAllowance, refusal: Refusal) -> None:
        """Give back what was taken: the ledger refused it."""

    def start(self, listener: Listener) -> None:
        """Prepare the connection, before the ledger is asked."""

    def perform(self, tx: Transaction, context: Context) -> R:
        """
        Carry it out in the database; may be called more than once, in any thread.

        :raises Refusal: the rules refuse it.
        """
        raise NotImplementedError

    def reply(self, result: R, now: float) -> bytes | None:  # noqa: ARG002 - for those that have one
        """
        Encode what the client is sent behind the acknowledgement.

        :param now: seconds since the epoch.
        :return: None if the acknowledgement is all.
        """
        return None

    def finish(self, listener: Listener, result: R) -> None:
        """Change the connection as the result demands, after its reply and before the next command's."""

    def publish(self, context: Context, result: R) -> None:
        """Pass the result on to everybody else, whether or not the connection is still there."""

    def undo(self, listener: Listener) -> None:  # noqa: ARG002 - as above
        """Let the client try again, where that is allowed: the ledger refused it."""
        self.conversation.reverse(self.kind)

    def stored_number(self, result: R) -> int:  # noqa: ARG002 - as above
        """Return the number of the message that it has stored, 0 if it stores none."""
        return 0
