"""
The bounds that a client can meet, and the observer that counts how often each was met.

Owns the closed set whose values are metric labels. Who counts or logs a report leaves out whose it is.
"""

from __future__ import annotations

import enum

from twisted.logger import Logger

_log = Logger()


@enum.unique
class Bound(enum.Enum):
    """What a client met. The values are metric labels."""

    WORK = "work"  # somebody waited in line, for having taken more of the processor than others
    CONNECTIONS = "connections"  # refused: the address has as many connections as it may
    UNSENT = "unsent"  # dropped: the most unsent bytes of all connections, while all hold too many
    UNFINISHED = "unfinished"  # dropped: a message that was begun was not finished in time
    MAILBOX = "mailbox"  # refused: the mailbox holds as many messages or bytes as it may
    LISTENERS = (
        "listeners"  # refused: the side listens to the mailbox on as many connections as it may
    )
    STORED = "stored"  # refused: the address has stored as many bytes as it may
    DISK = "disk"  # refused: the free space of the disk is reserved for what makes room
    NAMEPLATES = "nameplates"  # refused: the address has as many nameplates as it may
    NAMEPLATE_RATE = "nameplate_rate"  # refused: the address claims new nameplates too fast
    GUESSES = "guesses"  # answered late: the address has guessed at nameplates of others
    RELAY_WAITING = "relay_waiting"  # refused: the address has as many waiting ends as it may
    RELAY_RATE = "relay_rate"  # slowed: relayed bytes a second
    RELAY_BYTES = "relay_bytes"  # refused: relayed bytes of this month
    RELAY_STRANGER = "relay_stranger"  # refused: not seen on the rendezvous server lately
    DENIED = "denied"  # refused: the address is on the deny list
    PERMISSION = "permission"  # refused: no valid stamp came before bind


class BoundObserver:
    """Receives which bounds clients meet. Does nothing; override what you count."""

    def bound_met(self, bound: Bound, block: int) -> None:
        """
        A client was slowed, refused or dropped at a bound.

        :param block: the key of the client's address, see `block_of`; 0 where it is not known.
        """


class _ContainedObserver(BoundObserver):
    def __init__(self, observer: BoundObserver) -> None:
        self._observer = observer

    def bound_met(self, bound: Bound, block: int) -> None:
        """Pass on."""
        try:
            self._observer.bound_met(bound, block)
        except Exception:
            _log.failure("An observer of the bounds raised an exception; one report is lost")


def contained_bounds(observer: BoundObserver) -> BoundObserver:
    """Wrap an observer so that its methods never raise; what they raise is logged."""
    return observer if isinstance(observer, _ContainedObserver) else _ContainedObserver(observer)
