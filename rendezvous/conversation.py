"""
One client's conversation: what is allowed when, and what it answers.

Owns all that a connection remembers of its client: who it is, what it claimed and opened. Nothing here
touches a socket, a clock or the database: a message comes in, and either its answer or a request to the
ledger goes out; the ledger's result comes in, and the answer goes out.

A connection decides at once, as commands arrive, not when their results do: a client may send `open` and
`add` without waiting. Where the ledger then refuses the first, its rules refuse what was built on it.

The rules, from the protocol: `ping` needs nothing, `bind` comes before all else and once; one `allocate`,
one `claim`, one `release`, one `open` and one `close` a connection; `add` only between `open` and `close`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import partial

import attrs

from rendezvous import messages, requests
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.messages import CommandKind, Incoming

# A reply lacks only the time at which it leaves.
Reply = Callable[[float], bytes]


@attrs.frozen
class Say:
    """Answer at once: the acknowledgement alone, or with a reply behind it."""

    reply: Reply | None = None
    record: requests.RecordClient | None = None


class _Mailbox(enum.Enum):
    NEVER_OPENED = enum.auto()
    OPEN = enum.auto()
    CLOSED = enum.auto()


class Conversation:
    """What one connection has said so far."""

    __slots__ = (
        "_allocated",
        "_claimed",
        "_mailbox",
        "_mailbox_state",
        "_nameplate",
        "_released",
        "app",
        "side",
    )

    def __init__(self) -> None:
        self.app: str | None = None
        self.side = ""
        self._allocated = False
        self._claimed = False
        self._released = False
        self._nameplate: str | None = None
        self._mailbox: str | None = None
        self._mailbox_state = _Mailbox.NEVER_OPENED

    def receive(self, incoming: Incoming, now: float) -> Say | requests.Request:
        """
        Take a message: answer it, or say what the ledger has to do first.

        :raises Refusal: the client may not say that, or not now.
        """
        command = incoming.command
        match command:
            case messages.Ping(value):
                return Say(partial(messages.pong, value))
            case messages.SubmitPermissions(method):
                if method != "none":
                    raise Refusal(ErrorKind.PERMISSION_METHOD)
                return Say()
            case messages.Bind():
                return self._bind(command)
        if isinstance(command, Refusal) and command.kind in _NO_COMMAND:
            raise command
        self._check_order(incoming.kind)
        if isinstance(command, Refusal):
            raise command
        app, side = self.app or "", self.side
        match command:
            case messages.Add(phase, body):
                mailbox = self._mailbox or ""
                message_id = bytes(incoming.id).decode()
                return requests.AddMessage(app, side, mailbox, phase, body, message_id, now)
            case messages.Claim(nameplate):
                if self._claimed:
                    raise Refusal(ErrorKind.SECOND_CLAIM)
                self._claimed = True
                self._nameplate = nameplate
                return requests.ClaimNameplate(app, side, nameplate)
            case messages.Open(mailbox):
                self._mailbox = mailbox
                self._mailbox_state = _Mailbox.OPEN
                return requests.OpenMailbox(app, side, mailbox)
            case messages.Release(nameplate):
                return self._release(app, nameplate)
            case messages.Close(mailbox, mood):
                return self._close(app, mailbox, mood)
            case messages.Allocate():
                self._allocated = True
                return requests.AllocateNameplate(app, side)
            case messages.List():
                return requests.ListNameplates(app)

    def answer(self, request: requests.Request, result: requests.Result) -> Reply | None:
        """
        Put the ledger's result into the words of the protocol.

        :return: None where nothing but the acknowledgement is due.
        """
        match result:
            case requests.Claimed(nameplate, mailbox):
                if isinstance(request, requests.AllocateNameplate):
                    return partial(messages.allocated, nameplate)
                return partial(messages.claimed, mailbox)
            case requests.Released():
                return messages.released
            case requests.Closed():
                return messages.closed
            case requests.Nameplates(names):
                return partial(messages.nameplates, names)
            case _:
                return None

    def _check_order(self, kind: CommandKind) -> None:
        """Refuse what is out of place whatever it says, before anything is said of how it says it."""
        if self.app is None and kind not in _BEFORE_BIND:
            raise Refusal(ErrorKind.MUST_BIND_FIRST)
        match kind:
            case CommandKind.BIND if self.app is not None:
                raise Refusal(ErrorKind.ALREADY_BOUND)
            case CommandKind.ALLOCATE if self._allocated:
                raise Refusal(ErrorKind.SECOND_ALLOCATE)
            case CommandKind.RELEASE if self._released:
                raise Refusal(ErrorKind.SECOND_RELEASE)
            case CommandKind.OPEN if self._mailbox_state is not _Mailbox.NEVER_OPENED:
                raise Refusal(ErrorKind.SECOND_OPEN)
            case CommandKind.ADD if self._mailbox_state is not _Mailbox.OPEN:
                raise Refusal(ErrorKind.ADD_BEFORE_OPEN)
            case CommandKind.CLOSE if self._mailbox_state is _Mailbox.CLOSED:
                raise Refusal(ErrorKind.SECOND_CLOSE)
            case _:
                pass

    def _bind(self, command: messages.Bind) -> Say:
        if self.app is not None:
            raise Refusal(ErrorKind.ALREADY_BOUND)
        self.app, self.side = command.app, command.side
        if command.implementation is None or command.version is None:
            return Say()
        record = requests.RecordClient(command.app, command.implementation, command.version)
        return Say(record=record)

    def _release(self, app: str, nameplate: str | None) -> requests.ReleaseNameplate:
        if nameplate is None:
            if self._nameplate is None:
                raise Refusal(ErrorKind.RELEASE_BEFORE_CLAIM)
            nameplate = self._nameplate
        elif self._nameplate not in (None, nameplate):
            raise Refusal(ErrorKind.RELEASE_OF_ANOTHER)
        self._released = True
        return requests.ReleaseNameplate(app, self.side, nameplate)

    def _close(self, app: str, mailbox: str | None, mood: str | None) -> requests.CloseMailbox:
        if mailbox is None:
            if self._mailbox is None:
                raise Refusal(ErrorKind.CLOSE_BEFORE_OPEN)
            mailbox = self._mailbox
        elif self._mailbox not in (None, mailbox):
            raise Refusal(ErrorKind.CLOSE_OF_ANOTHER)
        self._mailbox = mailbox
        self._mailbox_state = _Mailbox.CLOSED
        return requests.CloseMailbox(app, self.side, mailbox, mood)

    def take_back(self, request: requests.Request) -> None:
        """The ledger refused: what has not happened may be tried again. A claim counts all the same."""
        match request:
            case requests.OpenMailbox() if self._mailbox_state is _Mailbox.OPEN:
                self._mailbox = None
                self._mailbox_state = _Mailbox.NEVER_OPENED
            case requests.CloseMailbox():
                self._mailbox_state = _Mailbox.NEVER_OPENED
            case requests.AllocateNameplate():
                self._allocated = False
            case requests.ReleaseNameplate():
                self._released = False
            case _:
                pass


_BEFORE_BIND = frozenset({CommandKind.PING, CommandKind.BIND, CommandKind.SUBMIT_PERMISSIONS})
# What has no type at all is told so first; an unknown type, though, counts as a command.
_NO_COMMAND = frozenset({ErrorKind.MISSING_TYPE, ErrorKind.MALFORMED})
