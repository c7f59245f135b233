"""Tests of `rendezvous.commands.refused`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.commands.by_type import COMMANDS
from rendezvous.commands.command import Command
from rendezvous.commands.refused import refused_command
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind, Conversation
from rendezvous.protocol.envelope import parse

RELEASED = {CommandKind.RELEASE: replies.released, CommandKind.CLOSE: replies.closed}


class RefusedCommandTests(SynchronousTestCase):
    def read(self, kind: CommandKind, payload: bytes = b"{}") -> Command[Any]:
        """What a refused client sends."""
        conversation = Conversation()
        conversation.refusal = Refusal(ErrorKind.DENIED, "not you")
        return refused_command(kind)(parse(payload), conversation, 1.0, 2.0)

    def test_refused(self) -> None:
        """Whatever the client asks for is refused with the reason, even what is no message at all."""
        for kind in {*CommandKind} - {*RELEASED}:
            for payload in (b"{}", b"x"):
                refusal = self.assertRaises(Refusal, self.read, kind, payload)
                self.assertEqual((refusal.kind, refusal.text), (ErrorKind.DENIED, "not you"))

    def test_given_up(self) -> None:
        """What the client gives up is answered as given up, at once and without the ledger."""
        for kind, reply in RELEASED.items():
            command = self.read(kind)
            self.assertIs(command.kind, kind)
            self.assertTrue(command.at_once)
            self.assertFalse(command.in_ledger)
            self.assertEqual(command.reply(None, 3.0), reply(3.0))

    def test_no_ledger(self) -> None:
        """No command of a refused client reaches the ledger."""
        for kind in (command.kind for command in COMMANDS):
            found = refused_command(kind)
            self.assertEqual((found.at_once, found.in_ledger), (True, False))
