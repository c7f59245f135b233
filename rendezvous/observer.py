"""
The observer: what the rendezvous server reports to a part of the program that counts.

Owns the events and the closed sets that serve as metric labels. Knows no metrics library.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.logger import Logger

from rendezvous.errors import ErrorKind
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.moods import Mood, Retired

_log = Logger()


@enum.unique
class DropReason(enum.Enum):
    """Why the server ended a connection. The values are metric labels."""

    SILENT = "silent"  # the client did not answer WebSocket pings
    NOT_READING = "not_reading"  # more was waiting for the client than the send buffer allows
    OVERSIZED = "oversized"  # the client sent a message over the size limit
    DATABASE = "database"  # the database was lost, and with it the outcome of a command
    REFUSED = "refused"  # a client that is refused altogether stayed after it was told so
    INTERNAL = "internal"  # an unexpected exception in the server


class RendezvousObserver:
    """
    Is told of everything worth counting. These methods do nothing; override those that are of interest.

    They are called on the reactor's thread and have to be quick. Whoever calls them wraps the observer in
    `contained`, so that an exception of theirs does no harm.
    """

    def connected(self) -> None:
        """A client's WebSocket handshake is complete."""

    def disconnected(self) -> None:
        """A client's connection is gone, whichever side ended it."""

    def dropped(self, reason: DropReason) -> None:
        """The server ends a connection."""

    def command(self, kind: CommandKind) -> None:
        """A client has sent a command."""

    def error(self, kind: ErrorKind) -> None:
        """A client is sent an error."""

    def answered(self, seconds: float) -> None:
        """
        A command that needed the ledger has been answered.

        :param seconds: since the command arrived.
        """

    def delivered(self, seconds: float) -> None:
        """
        A message has been sent to a client that was subscribed before it was stored.

        :param seconds: since the message arrived; by the time of day if it was read from the database.
        """

    def announced(self) -> None:
        """Another instance has announced messages."""

    def caught_up(self) -> None:
        """All subscribed mailboxes are checked, since announcements may have been missed."""

    def retired(self, retired: Retired) -> None:
        """The removal of a nameplate, of a mailbox with its messages, of both or of neither was committed."""

    def web_client_closed(self, mood: Mood) -> None:
        """A web client has closed its mailbox, and said how its transfer ended."""

    def batch_committed(self, operations: int, seconds: float) -> None:
        """
        A transaction has been committed.

        :param operations: how many it contained.
        :param seconds: how long the commit took.
        """

    def batch_failed(self) -> None:
        """A transaction was rolled back, and its operations run again one by one."""

    def expiry_failed(self) -> None:
        """A step of expiry failed, and is tried again in the next sweep."""

    def internal_error(self) -> None:
        """An unexpected exception has been contained and logged."""


class _ContainedObserver(RendezvousObserver):
    """Passes every call on, and contains what the observer raises."""

    def __init__(self, observer: RendezvousObserver) -> None:
        self._logged: set[str] = set()
        for name in vars(RendezvousObserver):
            if not name.startswith("_"):
                setattr(self, name, partial(self._call, getattr(observer, name)))

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        try:
            method(*arguments)
        except Exception:  # a counter that fails must not stop what it counts
            if method.__name__ not in self._logged:
                self._logged.add(method.__name__)
                _log.failure("The observer's {name} failed", name=method.__name__)
                self.internal_error()


def contained(observer: RendezvousObserver) -> RendezvousObserver:
    """
    Wrap an observer so that its methods never raise.

    What they raise is logged once per method and reported as an internal error.
    """
    return observer if isinstance(observer, _ContainedObserver) else _ContainedObserver(observer)
