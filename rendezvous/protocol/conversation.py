"""
The state of one client's conversation: a table of what is allowed when. No I/O.

Theory of operation. A connection does four things, each at most once, in any order after `bind`: it binds,
allocates a nameplate, claims and releases a nameplate, opens and closes a mailbox. Each of the four is a
track with a state of its own, so a conversation is in four states at once. Before `bind` it is UNBOUND on
all four. Each command belongs to one track. `_TRANSITIONS` maps (state, command) to the track's next state,
or to the reason for which the command is refused; it has a row for every pair that can occur.

The table is consulted as a command arrives, not when the ledger has carried it out: a client may send
`open`, `add` and `close` in one write, without waiting for an answer. If the ledger then refuses one of
them, `_REVERSALS` maps (state, refused command) to the state in which the client may try again. A pair that
is not in it leaves the state alone: a claim counts even if it was refused, so that a client cannot go on
guessing, and an `open` that is refused behind a `close` does not undo the `close`.

`ping` and `submit-permissions` belong to no track: they are allowed at any time.

The reasons are those of the reference implementation, and so is the order in which a client gets to see
them: first that a command is out of place, then what is wrong with its values. A second `claim` is the one
exception: it is told what is wrong with its values first.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cache
from typing import Final

from rendezvous.errors import ErrorKind, Refusal
from wormhole_limits.stamps import StampRequirement


@enum.unique
class CommandKind(enum.Enum):
    """What a message asks for. The values are the types on the wire and metric labels."""

    __hash__ = object.__hash__  # members are looked up with each command, and Enum's takes 0.3 µs

    SUBMIT_PERMISSIONS = "submit-permissions"  # proves that the client may use the server
    BIND = "bind"  # says which application and which side the client is
    LIST = "list"  # asks for the nameplates in use
    ALLOCATE = "allocate"  # asks for a nameplate that is free
    CLAIM = "claim"  # asks for a certain nameplate, and the mailbox that it points to
    RELEASE = "release"  # gives up the nameplate
    OPEN = "open"  # asks for the messages of a mailbox, old and new
    ADD = "add"  # stores a message in the open mailbox
    CLOSE = "close"  # gives up the mailbox
    PING = "ping"  # asks for its value back
    UNKNOWN = "unknown"  # no type, or one that the protocol does not know


class TrackState(enum.Enum):
    """Where a conversation is on one of its tracks."""

    __hash__ = object.__hash__  # as above

    UNBOUND = enum.auto()  # on every track: the client has not said who it is

    BOUND = enum.auto()  # binding: it has

    UNALLOCATED = enum.auto()  # allocation: it has not asked for a free nameplate
    ALLOCATED = enum.auto()  # allocation: it has

    UNCLAIMED = enum.auto()  # nameplate: neither claimed nor released
    CLAIMED = enum.auto()  # nameplate: claimed
    RELEASED = enum.auto()  # nameplate: released by name, as after a reconnect; it may still claim
    DONE = enum.auto()  # nameplate: claimed and released

    UNOPENED = enum.auto()  # mailbox: never opened
    OPEN = enum.auto()  # mailbox: open
    CLOSED = enum.auto()  # mailbox: closed, by name where it was never opened


_S, _K, _E = TrackState, CommandKind, ErrorKind

# The tracks are places in a tuple of states.
_BINDING, _ALLOCATION, _NAMEPLATE, _MAILBOX = range(4)
_BEFORE_BIND: Final = (_S.UNBOUND, _S.UNBOUND, _S.UNBOUND, _S.UNBOUND)
_AFTER_BIND: Final = (_S.BOUND, _S.UNALLOCATED, _S.UNCLAIMED, _S.UNOPENED)
_TRACKS: Final[Mapping[CommandKind, int]] = {
    _K.BIND: _BINDING,
    _K.LIST: _BINDING,
    _K.UNKNOWN: _BINDING,
    _K.ALLOCATE: _ALLOCATION,
    _K.CLAIM: _NAMEPLATE,
    _K.RELEASE: _NAMEPLATE,
    _K.OPEN: _MAILBOX,
    _K.ADD: _MAILBOX,
    _K.CLOSE: _MAILBOX,
}

_TRANSITIONS: Final[Mapping[tuple[TrackState, CommandKind], TrackState | ErrorKind]] = {
    **{(_S.UNBOUND, kind): _E.MUST_BIND_FIRST for kind in _TRACKS},
    # binding
    (_S.UNBOUND, _K.BIND): _S.BOUND,
    (_S.BOUND, _K.BIND): _E.ALREADY_BOUND,
    (_S.BOUND, _K.LIST): _S.BOUND,
    (_S.BOUND, _K.UNKNOWN): _E.UNKNOWN_TYPE,
    # allocation
    (_S.UNALLOCATED, _K.ALLOCATE): _S.ALLOCATED,
    (_S.ALLOCATED, _K.ALLOCATE): _E.SECOND_ALLOCATE,
    # nameplate
    (_S.UNCLAIMED, _K.CLAIM): _S.CLAIMED,
    (_S.UNCLAIMED, _K.RELEASE): _S.RELEASED,
    (_S.CLAIMED, _K.CLAIM): _E.SECOND_CLAIM,
    (_S.CLAIMED, _K.RELEASE): _S.DONE,
    (_S.RELEASED, _K.CLAIM): _S.DONE,
    (_S.RELEASED, _K.RELEASE): _E.SECOND_RELEASE,
    (_S.DONE, _K.CLAIM): _E.SECOND_CLAIM,
    (_S.DONE, _K.RELEASE): _E.SECOND_RELEASE,
    # mailbox
    (_S.UNOPENED, _K.OPEN): _S.OPEN,
    (_S.UNOPENED, _K.ADD): _E.ADD_BEFORE_OPEN,
    (_S.UNOPENED, _K.CLOSE): _S.CLOSED,
    (_S.OPEN, _K.OPEN): _E.SECOND_OPEN,
    (_S.OPEN, _K.ADD): _S.OPEN,
    (_S.OPEN, _K.CLOSE): _S.CLOSED,
    (_S.CLOSED, _K.OPEN): _E.SECOND_OPEN,
    (_S.CLOSED, _K.ADD): _E.ADD_BEFORE_OPEN,
    (_S.CLOSED, _K.CLOSE): _E.SECOND_CLOSE,
}

_REVERSALS: Final[Mapping[tuple[TrackState, CommandKind], TrackState]] = {
    (_S.ALLOCATED, _K.ALLOCATE): _S.UNALLOCATED,
    (_S.RELEASED, _K.RELEASE): _S.UNCLAIMED,
    (_S.DONE, _K.RELEASE): _S.CLAIMED,
    (_S.OPEN, _K.OPEN): _S.UNOPENED,
    (_S.CLOSED, _K.CLOSE): _S.UNOPENED,
}


class Conversation:
    """
    What one connection has said so far.

    :ivar refusal: why the client is refused, whatever it asks for; None: it is served.
    :ivar requirement: what the client has to submit a stamp for before it binds; None: nothing.
    :ivar permitted: whether it has.
    :ivar app: the application that the client belongs to, once it is bound.
    :ivar side: its side, once it is bound.
    :ivar reads_long_messages: whether it reads messages of more than 32 KiB.
    :ivar is_web_client: whether it is the web client of this suite.
    :ivar nameplate: the nameplate that it claimed, if it claimed one.
    :ivar mailbox: the mailbox that it opened or closed, if it did.
    """

    __slots__ = (
        "_states",
        "app",
        "is_web_client",
        "mailbox",
        "nameplate",
        "permitted",
        "reads_long_messages",
        "refusal",
        "requirement",
        "side",
    )

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.requirement: StampRequirement | None = None
        self.permitted = False
        self.app = ""
        self.side = ""
        self.reads_long_messages = True
        self.is_web_client = False
        self.nameplate: str | None = None
        self.mailbox: str | None = None
        self._states: tuple[TrackState, ...] = _BEFORE_BIND

    def check_refusal(self) -> None:
        """:raises Refusal: the client is refused, whatever it asks for."""
        if self.refusal is not None:
            raise Refusal(self.refusal.kind, self.refusal.text)

    def check_permission(self) -> None:
        """:raises Refusal: a stamp is required, and there is none; the client is refused from now on."""
        if self.requirement is not None and not self.permitted:
            self.refusal = Refusal(ErrorKind.PERMISSION_REQUIRED)
            raise self.refusal

    def check(self, kind: CommandKind) -> None:
        """
        Refuse a command that is out of place whatever its values are.

        :raises Refusal: the table refuses it, for a reason that comes before faults in its values.
        """
        outcome = _TRANSITIONS[self._states[_TRACKS[kind]], kind]
        if isinstance(outcome, ErrorKind) and outcome is not ErrorKind.SECOND_CLAIM:
            raise Refusal(outcome)

    def advance(self, kind: CommandKind) -> None:
        """
        Take a command that is in order: move to the next state.

        :raises Refusal: the table refuses it.
        """
        track = _TRACKS[kind]
        outcome = _TRANSITIONS[self._states[track], kind]
        if isinstance(outcome, ErrorKind):
            raise Refusal(outcome)
        if kind is CommandKind.BIND:
            self._states = _AFTER_BIND
        else:
            self._move(track, outcome)

    def reverse(self, kind: CommandKind) -> bool:
        """
        The ledger refused a command: let the client try again where the table says so.

        :return: whether the state has changed.
        """
        track = _TRACKS[kind]
        before = _REVERSALS.get((self._states[track], kind))
        if before is None:
            return False
        self._move(track, before)
        return True

    def _move(self, track: int, state: TrackState) -> None:
        states = self._states
        self._states = _shared(*states[:track], state, *states[track + 1 :])


@cache  # one tuple for all conversations in the same states; there are some dozens
def _shared(*states: TrackState) -> tuple[TrackState, ...]:
    return states
