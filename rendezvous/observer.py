"""
What the rendezvous server tells whoever counts.

Owns the interface and the closed sets that serve as metric labels. Knows no metrics library.
"""

from __future__ import annotations

import enum
from typing import Protocol

from rendezvous.errors import ErrorKind
from rendezvous.messages import CommandKind
from rendezvous.moods import Mood


@enum.unique
class DropReason(enum.Enum):
    """Why the server, and not the client, ended a connection. The values are metric labels."""

    SILENT = "silent"  # did not answer WebSocket pings
    NOT_READING = "not_reading"  # more waited for it than the send buffer allows
    OVERSIZED = "oversized"  # sent a message over the size limit
    DATABASE = "database"  # its database has gone, and with it what became of a command
    INTERNAL = "internal"  # an error of ours, which ends one conversation at most


class Observer(Protocol):
    """Is told of everything worth counting, on the reactor's thread; must be quick."""

    def connected(self) -> None:
        """A client's WebSocket is open."""

    def disconnected(self) -> None:
        """It is gone, whoever ended it."""

    def dropped(self, reason: DropReason) -> None:
        """The server is ending a connection."""

    def command(self, kind: CommandKind) -> None:
        """A message arrived from a client."""

    def error(self, kind: ErrorKind) -> None:
        """A client was told of an error."""

    def answered(self, seconds: float) -> None:
        """A command that had to ask the ledger was answered, so long after it had come."""

    def delivered(self, seconds: float) -> None:
        """A message was handed to a listener that was there before it, so long after it had come."""

    def announced(self) -> None:
        """Another instance has told of messages that it has stored."""

    def caught_up(self) -> None:
        """Announcements may have been missed: all mailboxes that are listened to are looked at."""

    def nameplate_retired(self, mood: Mood) -> None:
        """A nameplate is gone, durably."""

    def mailbox_retired(self, mood: Mood) -> None:
        """A mailbox is gone with its messages, durably."""

    def batch_committed(self, operations: int, seconds: float) -> None:
        """A transaction of so many operations is durable; its commit took so long."""

    def batch_failed(self) -> None:
        """A transaction was rolled back over a database error and is tried again one by one."""

    def expiry_failed(self) -> None:
        """A step of expiry failed and is put off until the next turn."""

    def internal_error(self) -> None:
        """An exception that nobody foresaw was logged."""


class Silent:
    """An observer that counts nothing."""

    def connected(self) -> None: ...
    def disconnected(self) -> None: ...
    def dropped(self, reason: DropReason) -> None: ...
    def command(self, kind: CommandKind) -> None: ...
    def error(self, kind: ErrorKind) -> None: ...
    def answered(self, seconds: float) -> None: ...
    def delivered(self, seconds: float) -> None: ...
    def announced(self) -> None: ...
    def caught_up(self) -> None: ...
    def nameplate_retired(self, mood: Mood) -> None: ...
    def mailbox_retired(self, mood: Mood) -> None: ...
    def batch_committed(self, operations: int, seconds: float) -> None: ...
    def batch_failed(self) -> None: ...
    def expiry_failed(self) -> None: ...
    def internal_error(self) -> None: ...
