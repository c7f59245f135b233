"""
The relay's observer: what the relay reports about itself, and the values that the reports are made of.

Owns the closed sets whose values are metric labels, the record of a finished connection, and the containment
of what an observer raises. Knows no metrics library, log or database: a class derived from `RelayObserver`
does. Nothing that is reported identifies a peer: no token, no side, no address.
"""

import contextlib
import enum
from collections.abc import Callable
from typing import Final, ParamSpec

import attrs
from twisted.logger import Logger

P = ParamSpec("P")

log: Final = Logger(namespace="transit_relay")


class ConnectionKind(enum.Enum):
    """What a peer's connection is. The values are metric labels."""

    TCP = "tcp"  # a plain stream
    WEBSOCKET = "websocket"  # binary messages over WebSocket


class ConnectionState(enum.Enum):
    """What a connection is doing. The values are metric labels."""

    HANDSHAKE = "handshake"  # has not finished its handshake
    WAITING = "waiting"  # waits for its buddy
    PAIRED = "paired"  # has its buddy: bytes go both ways
    CLOSING = "closing"  # is sent what is left for it, then closed


class RelayMood(enum.Enum):
    """
    How a connection ended. The values are metric labels.

    Exactly one of the two connections of a pair is not `JILTED`: to count pairs, count those.
    """

    HAPPY = "happy"  # had its buddy, and was the first of the two to leave
    JILTED = "jilted"  # had its buddy, which left first
    LONELY = "lonely"  # no buddy connected
    REDUNDANT = "redundant"  # another connection of its side was paired instead
    IMPATIENT = "impatient"  # sent bytes before the relay's ok
    ERRORY = "errory"  # sent something other than a handshake, or broke the WebSocket protocol
    EMPTY = "empty"  # left, or ran out of time, before its handshake was complete


class Fallback(enum.Enum):
    """Why the kernel does not move the bytes of one direction of a pair. The values are metric labels."""

    NO_PIPE = "no_pipe"  # the kernel gave no pipe, or only a tiny one
    REFUSED = "refused"  # the kernel refused to splice; the process went on from where it was


class LinkKind(enum.Enum):
    """What moves the bytes of a pair. The values are metric labels."""

    SPLICE = "splice"  # from socket to socket: the kernel, or this process where frames require it
    PRODUCER = "producer"  # from one Twisted transport to the other


@attrs.frozen
class PairRecord:
    """
    A pair, from the start of its first connection until either of the two left.

    The records of both connections hold an equal one.
    """

    started: float
    """Seconds since the epoch: when the first of the two connected."""
    waiting_seconds: float
    """From the start of the first connection to that of the second."""
    total_seconds: float
    """From the start of the first connection until either left."""
    bytes: int
    """Relayed, both directions together."""


@attrs.frozen
class ConnectionRecord:
    """A connection, reported once, when it is gone."""

    kind: ConnectionKind
    mood: RelayMood
    started: float
    """Seconds since the epoch."""
    waiting_seconds: float | None
    """From its start until it had a buddy; None if it never had one."""
    total_seconds: float
    """From its start until it was gone."""
    bytes: int
    """Relayed from this connection to its buddy: the sum over all connections is the traffic."""
    pair: PairRecord | None
    """None if it never had a buddy."""


class RelayObserver:
    """
    Receives the relay's reports, and ignores them: override those that you count.

    The methods are called on the reactor's thread and must not block. What they raise is logged, counted as
    an internal error, and changes nothing for the connection.
    """

    def connection_state(
        self, kind: ConnectionKind, before: ConnectionState | None, after: ConnectionState | None
    ) -> None:
        """
        A connection has changed its state.

        :param before: None for a new connection.
        :param after: None for a connection that is gone.
        """

    def relayed(self, byte_count: int) -> None:
        """More bytes were relayed. Reported in batches, and in full when a pair ends."""

    def finished(self, record: ConnectionRecord) -> None:
        """A connection is gone."""

    def internal_error(self) -> None:
        """An unexpected exception was contained; the log has it."""

    def linked(self, kind: LinkKind) -> None:
        """Two connections were paired, and a link of this kind moves their bytes."""

    def fell_back(self, why: Fallback) -> None:
        """The kernel does not move the bytes of one direction, as it should; this process does."""

    def pipe_memory(self, byte_count: int) -> None:
        """The relay's pipe now holds so much kernel memory; 0 without one."""


def notify(
    observer: RelayObserver, report: Callable[P, None], *args: P.args, **kwargs: P.kwargs
) -> None:
    """
    Report something to an observer, and contain what it raises.

    :param report: the observer's method.
    """
    try:
        report(*args, **kwargs)
    except Exception:
        log.failure("An observer of the relay raised an exception; one report is lost")
        with contextlib.suppress(Exception):
            observer.internal_error()
