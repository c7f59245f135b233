"""What a client says, and what becomes of it: commands for tests, without a connection."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.commands.by_type import find_command
from rendezvous.commands.command import Command
from rendezvous.errors import Refusal
from rendezvous.protocol.conversation import CommandKind, Conversation
from rendezvous.protocol.envelope import parse
from rendezvous.rules.messages import Page
from rendezvous.subscriptions import Address

# When every command was received: the time of day, and the steady clock.
NOW = 1000.0
ARRIVED = 7.0


def read(payload: bytes, conversation: Conversation) -> Command[Any]:
    """
    Read a message as a connection does.

    :raises Refusal: as the command does.
    """
    envelope = parse(payload)
    return find_command(envelope)(envelope, conversation, NOW, ARRIVED)


def bound(app: str = "app", side: str = "a") -> Conversation:
    """A conversation that is bound."""
    conversation = Conversation()
    read(json.dumps({"type": "bind", "appid": app, "side": side}).encode(), conversation)
    return conversation


def command(
    kind: str, app: str = "app", side: str = "a", received: float = NOW, **fields: Any
) -> Command[Any]:
    """A command of a new connection, which has opened the mailbox that an `add` names."""
    conversation = bound(app, side)
    if kind == "add":
        conversation.advance(CommandKind.OPEN)
        conversation.mailbox = fields.pop("mailbox")
    made = read(json.dumps({"type": kind, **fields}).encode(), conversation)
    made.received = received
    return made


class RecordingListener:
    """A `commands.command.Listener` that remembers what it was told."""

    def __init__(self) -> None:
        self.replaying = False
        self.told: list[tuple[Any, ...]] = []

    def use(self, address: Address) -> None:
        """See `Listener.use`."""
        self.told.append(("use", address))

    def stop_using(self, address: Address) -> None:
        """See `Listener.stop_using`."""
        self.told.append(("stop using", address))

    def subscribe(self, address: Address, side: str) -> bool:
        """See `Listener.subscribe`."""
        first_use = all(told[1:2] != (address,) for told in self.told)
        self.told.append(("subscribe", address, side))
        return first_use

    def show_page(self, page: Page) -> None:
        """See `Listener.show_page`."""
        self.told.append(("page", page))

    def unsubscribe(self) -> None:
        """See `Listener.unsubscribe`."""
        self.told.append(("unsubscribe",))

    def take(self) -> list[tuple[Any, ...]]:
        """What it was told since the last look."""
        told, self.told = self.told, []
        return told


class ConversationCase(SynchronousTestCase):
    """A case with one conversation, which is not bound."""

    def setUp(self) -> None:
        """Begin."""
        self.conversation = Conversation()
        self.listener = RecordingListener()

    def say(self, kind: object, **fields: Any) -> Command[Any]:
        """The client sends a command; None stands for one without a type."""
        if kind is not None:
            fields["type"] = kind
        return read(json.dumps(fields).encode(), self.conversation)

    def refuse(self, text: str, kind: object, **fields: Any) -> None:
        """The client sends a command, and is refused with these very words."""
        refusal: Refusal = self.assertRaises(Refusal, self.say, kind, **fields)
        self.assertEqual(refusal.text, text)

    def bind(self) -> None:
        """Bind as ordinary clients do."""
        self.say("bind", appid="app", side="side")

    def undo(self, refused: Command[Any]) -> None:
        """The ledger refuses a command."""
        refused.undo(self.listener)

    def reply(self, answered: Command[Any], result: object) -> Any:
        """What the client reads behind the acknowledgement, but for the time; None if that is all."""
        said = answered.reply(result, 2.0)
        if said is None:
            return None
        values = json.loads(said)
        self.assertEqual(values.pop("server_tx"), 2.0)
        return values


class BoundCase(ConversationCase):
    """A case whose conversation is bound."""

    def setUp(self) -> None:
        """Begin, and bind."""
        super().setUp()
        self.bind()
