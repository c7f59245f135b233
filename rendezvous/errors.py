"""
The two kinds of fault: a client's (`Refusal`) and ours (everything else).

Owns every text that a client can be refused with. May not touch anything else.
"""

from __future__ import annotations

import enum
from typing import Self


@enum.unique
class ErrorKind(enum.Enum):
    """Why a command was refused. The values are metric labels; `text` is what the client reads."""

    text: str

    def __new__(cls, value: str, text: str) -> Self:
        member = object.__new__(cls)
        member._value_ = value
        member.text = text
        return member

    # The texts that clients and test suites know to the letter.
    MISSING_TYPE = "missing_type", "missing 'type'"
    UNKNOWN_TYPE = "unknown_type", "unknown type"
    MUST_BIND_FIRST = "must_bind_first", "must bind first"
    ALREADY_BOUND = "already_bound", "already bound"
    BIND_WITHOUT_APPID = "bind_without_appid", "bind requires 'appid'"
    BIND_WITHOUT_SIDE = "bind_without_side", "bind requires 'side'"
    PING_WITHOUT_PING = "ping_without_ping", "ping requires 'ping'"
    SECOND_ALLOCATE = "second_allocate", "you already allocated one, don't be greedy"
    CLAIM_WITHOUT_NAMEPLATE = "claim_without_nameplate", "claim requires 'nameplate'"
    SECOND_CLAIM = "second_claim", "only one claim per connection"
    CROWDED = "crowded", "crowded"
    RECLAIMED = "reclaimed", "reclaimed"
    RELEASE_BEFORE_CLAIM = (
        "release_before_claim",
        "release without nameplate must follow claim",
    )
    RELEASE_OF_ANOTHER = "release_of_another", "release and claim must use same nameplate"
    SECOND_RELEASE = "second_release", "only one release per connection"
    OPEN_WITHOUT_MAILBOX = "open_without_mailbox", "open requires 'mailbox'"
    SECOND_OPEN = "second_open", "only one open per connection"
    ADD_BEFORE_OPEN = "add_before_open", "must open mailbox before adding"
    ADD_WITHOUT_PHASE = "add_without_phase", "missing 'phase'"
    ADD_WITHOUT_BODY = "add_without_body", "missing 'body'"
    CLOSE_BEFORE_OPEN = "close_before_open", "close without mailbox must follow open"
    CLOSE_OF_ANOTHER = "close_of_another", "open and close must use same mailbox"
    SECOND_CLOSE = "second_close", "only one close per connection"

    # Ours, for what no well-behaved client sends.
    MALFORMED = "malformed", "not a message of this protocol"
    WRONG_VALUE = "wrong_value", "a value has the wrong type or form"
    PERMISSION_METHOD = "permission_method", "unknown permission method, only 'none' is needed here"
    NO_NAMEPLATE_FREE = "no_nameplate_free", "no nameplate is free, try again later"
    UNAVAILABLE = "unavailable", "the server cannot use its database at the moment, try again later"
    OUTCOME_UNKNOWN = (
        "outcome_unknown",
        "the server has lost its database and cannot tell whether this was stored; come back to see",
    )
    INTERNAL = "internal", "internal error"


class Refusal(Exception):
    """
    The client asked for something that it cannot have: its own fault, told to it in so many words.

    :ivar text: what the client reads; `kind.text` where nothing more exact is given.
    """

    def __init__(self, kind: ErrorKind, text: str | None = None) -> None:
        super().__init__(text or kind.text)
        self.kind = kind

    @property
    def text(self) -> str:
        """What the client reads."""
        return str(self.args[0])


class LedgerUnavailable(Exception):
    """The database did not take an operation in time. Nothing of it has happened."""


class OutcomeUnknown(LedgerUnavailable):
    """The database has gone, or is another one now, and took the answer along: it may have happened."""
