"""
The commands of a client that is refused altogether: each is answered, and none reaches the ledger.

Owns what such a client is answered. It has been told why in the welcome or in the answer to `bind`. Clients
that leave for that reason wait until what they may have claimed and opened is given up; the one in Python
waits for ever. So `release` and `close` succeed, which changes nothing, and all else repeats the reason.
"""

from __future__ import annotations

from typing import Any

from rendezvous.commands.command import Command
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.envelope import Envelope


class Refused(Command[None]):
    """Any command that is refused for the reason that the client is."""

    __slots__ = ()
    at_once = True
    in_ledger = False

    def read(self, envelope: Envelope) -> None:  # noqa: ARG002 - it does not matter what it asks for
        """:raises Refusal: the reason why the client is refused."""
        self.conversation.check_refusal()


class RefusedRelease(Refused):
    """A `release` that has nothing to do."""

    __slots__ = ()
    kind = CommandKind.RELEASE

    def read(self, envelope: Envelope) -> None:
        """Accept it, whatever it names."""

    def reply(self, result: None, now: float) -> bytes:  # noqa: ARG002 - there is none
        """See `Command.reply`."""
        return replies.released(now)


class RefusedClose(Refused):
    """A `close` that has nothing to do."""

    __slots__ = ()
    kind = CommandKind.CLOSE

    def read(self, envelope: Envelope) -> None:
        """Accept it, whatever it names."""

    def reply(self, result: None, now: float) -> bytes:  # noqa: ARG002 - there is none
        """See `Command.reply`."""
        return replies.closed(now)


_ANSWERED = {command.kind: command for command in (RefusedRelease, RefusedClose)}


def refused_command(kind: CommandKind) -> type[Command[Any]]:
    """Find the class for what a refused client asks for."""
    return _ANSWERED.get(kind, Refused)
