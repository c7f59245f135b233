"""
The commands that use no nameplate and no mailbox: `bind`, `submit-permissions`, `ping`, and unknown ones.

All are answered at once. A `bind` that names the client's program leaves a usage record, which nobody waits
for.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import UNSET

from rendezvous.commands.command import Command, Context
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.envelope import (
    MAX_IDENTIFIER_BYTES,
    MAX_LABEL_BYTES,
    Envelope,
    read_text,
    wrong_value,
)
from wormhole_limits.stamps import MAX_STAMP_BYTES, StampError, StampRequirement

# Characters of a program's name and version that are recorded.
_MAX_PROGRAM = 100
# The Go client does not. It always names its program, but applications built on it choose the name.
_READS_LONG_MESSAGES = {"python", "rust"}
# See web/worker/transfer-worker.ts.
WEB_CLIENT = "wormhole-server-web"


@lru_cache(maxsize=64)
def _shared(app: str) -> str:
    """Return an equal string, the same one for many clients: nearly all of them name one application."""
    return app


class Bind(Command[None]):
    """Says which application the client belongs to and which side it is."""

    __slots__ = ("in_ledger", "program")
    kind = CommandKind.BIND
    at_once = True

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        conversation = self.conversation
        conversation.check(self.kind)
        conversation.check_permission()
        if envelope.appid is UNSET:
            raise Refusal(ErrorKind.BIND_WITHOUT_APPID)
        if envelope.side is UNSET:
            raise Refusal(ErrorKind.BIND_WITHOUT_SIDE)
        app = _shared(read_text("appid", envelope.appid, at_most=MAX_IDENTIFIER_BYTES))
        side = read_text("side", envelope.side, at_most=MAX_LABEL_BYTES)
        self.program = _read_program(envelope.client_version)
        self.in_ledger = self.program is not None
        conversation.advance(self.kind)
        conversation.app, conversation.side = app, side
        conversation.reads_long_messages = (
            self.program is None or self.program[0] in _READS_LONG_MESSAGES
        )
        conversation.is_web_client = self.program is not None and self.program[0] == WEB_CLIENT

    def perform(self, tx: Transaction, context: Context) -> None:
        """See `Command.perform`."""
        if self.program is not None:
            context.usage.client_bound(tx, self.conversation.app, *self.program, self.received)


def _read_program(client_version: object) -> tuple[str, str] | None:
    """Read a program's name and version, a statistic: a client that gives them oddly is not refused."""
    match client_version:
        case [str(name), str(version), *_]:
            name, version = (text.replace("\0", "")[:_MAX_PROGRAM] for text in (name, version))
            return name, version
        case _:
            return None


class SubmitPermissions(Command[None]):
    """Proves that the client may use the server, by a stamp where one is required."""

    __slots__ = ()
    kind = CommandKind.SUBMIT_PERMISSIONS
    at_once = True
    in_ledger = False

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`; allowed at any time."""
        if envelope.method is UNSET:
            raise wrong_value("submit-permissions requires 'method'")
        method = read_text("method", envelope.method, at_most=MAX_LABEL_BYTES)
        requirement = self.conversation.requirement
        if requirement is not None and method == "hashcash":
            self._check_stamp(requirement, envelope.stamp)
        elif method != "none":
            raise Refusal(ErrorKind.PERMISSION_METHOD)
        elif requirement is not None and not self.conversation.permitted:
            raise Refusal(ErrorKind.PERMISSION_NONE)

    def _check_stamp(self, requirement: StampRequirement, value: object) -> None:
        if value is UNSET:
            raise wrong_value("the permission method 'hashcash' requires 'stamp'")
        stamp = read_text("stamp", value, at_most=MAX_STAMP_BYTES)
        try:
            requirement.check(stamp, self.received)
        except StampError as error:
            kind = ErrorKind.PERMISSION_STAMP
            raise Refusal(kind, f"{kind.text}: {error}") from None
        self.conversation.permitted = True


class Ping(Command[None]):
    """Asks for its value back."""

    __slots__ = ("value",)
    kind = CommandKind.PING
    at_once = True
    in_ledger = False

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`; allowed at any time."""
        if not bytes(envelope.ping):
            raise Refusal(ErrorKind.PING_WITHOUT_PING)
        self.value = envelope.ping

    def reply(self, result: None, now: float) -> bytes:  # noqa: ARG002 - there is none
        """See `Command.reply`."""
        return replies.pong(self.value, now)


class Unknown(Command[None]):
    """A message that asks for nothing that the protocol knows; it is always refused."""

    __slots__ = ()
    kind = CommandKind.UNKNOWN

    def read(self, envelope: Envelope) -> None:
        """See `Command.read`."""
        envelope.check()
        self.conversation.advance(self.kind)
