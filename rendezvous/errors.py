"""
The two kinds of fault: a client's, which is a `Refusal`, and the server's own, which is any other exception.

Owns every text that a client can be refused with, and which refusals are for a bound that it has met.
"""

from __future__ import annotations

import enum
from typing import Self

from wormhole_limits.bounds import Bound


@enum.unique
class ErrorKind(enum.Enum):
    """
    Why a command was refused. The values are metric labels.

    :ivar text: what the client reads.
    :ivar bound: the bound that the client has met, if it was refused for one.
    """

    text: str
    bound: Bound | None

    def __new__(cls, value: str, text: str, bound: Bound | None = None) -> Self:
        member = object.__new__(cls)
        member._value_ = value
        member.text = text
        member.bound = bound
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

    # Not in the reference implementation: for what no client in the field sends, and for outages.
    MALFORMED = "malformed", "not a message of this protocol"
    WRONG_VALUE = "wrong_value", "a value has the wrong type or form"
    PERMISSION_METHOD = "permission_method", "unknown permission method, only 'none' is needed here"
    PERMISSION_REQUIRED = (
        "permission_required",
        "the server requires a hashcash stamp before 'bind'; use a client that sends one, or try later",
        Bound.PERMISSION,
    )
    PERMISSION_NONE = (
        "permission_none",
        "the permission method 'none' is not enough, 'hashcash' is required",
    )
    PERMISSION_STAMP = "permission_stamp", "the hashcash stamp does not count"
    DENIED = "denied", "your address is on the deny list of this server"
    NO_NAMEPLATE_FREE = "no_nameplate_free", "no nameplate is free, try again later"
    UNAVAILABLE = "unavailable", "the server cannot use its database at the moment, try again later"
    OUTCOME_UNKNOWN = (
        "outcome_unknown",
        "the server has lost its database and cannot tell whether this was stored; come back to see",
    )
    INTERNAL = "internal", "internal error"

    # For what is more than a mailbox, an address or the disk may take.
    MAILBOX_FULL = "mailbox_full", "the mailbox is full", Bound.MAILBOX
    TOO_MANY_LISTENERS = (
        "too_many_listeners",
        "this side listens to the mailbox on too many connections",
        Bound.LISTENERS,
    )
    TOO_MUCH_STORED = (
        "too_much_stored",
        "your address has stored too much, close mailboxes or try again when they have expired",
        Bound.STORED,
    )
    TOO_MANY_NAMEPLATES = (
        "too_many_nameplates",
        "your address has too many nameplates, release some or try again when they have expired",
        Bound.NAMEPLATES,
    )
    TOO_FAST = (
        "too_fast",
        "your address creates nameplates too fast, try again in a minute",
        Bound.NAMEPLATE_RATE,
    )
    DISK_FULL = (
        "disk_full",
        "the server's disk is nearly full, try again later",
        Bound.DISK,
    )


class Refusal(Exception):
    """
    A client asked for something that it cannot have. The connection stays open.

    :param text: what the client reads, if it is more exact than the kind's text.
    """

    def __init__(self, kind: ErrorKind, text: str | None = None) -> None:
        super().__init__(text or kind.text)
        self.kind = kind

    @property
    def text(self) -> str:
        """What the client reads."""
        return str(self.args[0])


class LedgerUnavailable(Exception):
    """The database did not take an operation in time. The operation has not taken place."""


class DiskFull(LedgerUnavailable):
    """The disk of the database is full, or nearly so; what is removed makes room."""


class OutcomeUnknown(LedgerUnavailable):
    """The database was lost before it had confirmed an operation, which may have taken place."""
