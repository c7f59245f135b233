"""Tests of `rendezvous.commands.command`: what a command does that overrides nothing."""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.commands.command import Command
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.conversation import CommandKind, Conversation
from rendezvous.protocol.envelope import Envelope
from tests.rendezvous.conversations import RecordingListener, bound
from tests.rendezvous.fakes import Recorder
from tests.rendezvous.servers import make_context


class Plain(Command[int]):
    """A command that takes what `allocate` takes."""

    kind = CommandKind.ALLOCATE

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        self.conversation.advance(self.kind)


class Unread(Command[int]):
    """A command that says nothing of itself."""

    kind = CommandKind.LIST


class CommandTests(SynchronousTestCase):
    """The base class."""

    def setUp(self) -> None:
        """Have one read."""
        self.conversation = bound()
        self.plain = Plain(Envelope(), self.conversation, 1000.0, 7.0)

    def test_made(self) -> None:
        """It is read as it is made, and knows when it was received."""
        self.assertEqual((self.plain.received, self.plain.arrived), (1000.0, 7.0))
        self.assertIs(self.plain.conversation, self.conversation)
        self.assertRaises(NotImplementedError, Unread, Envelope(), Conversation(), 0.0, 0.0)

    def test_in_ledger(self) -> None:
        """The ledger performs it before it is answered; it names no keys and holds nothing."""
        plain = self.plain
        self.assertEqual((plain.at_once, plain.in_ledger), (False, True))
        self.assertEqual((plain.keys, plain.size, plain.stored_number(5)), ((), 0, 0))
        self.assertRaises(
            NotImplementedError, plain.perform, cast("Transaction", None), make_context()
        )

    def test_nothing_follows(self) -> None:
        """Its acknowledgement is all of its answer, and nothing follows from its result."""
        listener, observer = RecordingListener(), Recorder()
        self.assertIsNone(self.plain.reply(5, 1.0))
        self.plain.start(listener)
        self.plain.finish(listener, 5)
        self.plain.publish(make_context(observer=observer), 5)
        self.assertEqual((listener.take(), observer.counts), ([], {}))

    def test_undo(self) -> None:
        """A refusal by the ledger takes the conversation back to where the table says."""
        states = self.conversation._states
        self.plain.undo(RecordingListener())
        self.assertNotEqual(self.conversation._states, states)
        self.conversation.advance(CommandKind.ALLOCATE)
        self.assertEqual(self.conversation._states, states)
