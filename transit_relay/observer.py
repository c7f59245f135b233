"""
What the relay tells about itself, and the words it uses for it.

Owns the enumerations whose values are metric labels, the record of a finished connection, and the
`Observer` that receives them. Knows nothing of metrics, logs or databases: those are behind the
observer. Nothing here, and nothing that is told, identifies a peer: no token, side or address.
"""

import enum
from typing import Protocol

import attrs


class End(enum.Enum):
    """What kind of connection a peer came on. The values are metric labels."""

    TCP = "tcp"  # a plain stream
    WEBSOCKET = "websocket"  # binary messages over WebSocket


class State(enum.Enum):
    """What a connection is doing. The values are metric labels."""

    HANDSHAKE = "handshake"  # has not finished its handshake
    WAITING = "waiting"  # waits for its buddy
    PAIRED = "paired"  # has its buddy: bytes go both ways
    CLOSING = "closing"  # is given what is left for it, then closed


class Mood(enum.Enum):
    """
    How a connection ended. The values are metric labels.

    Of the two connections of a pair, exactly one is not `JILTED`: who counts pairs, counts those.
    """

    HAPPY = "happy"  # met its buddy, and was the first of the two to leave
    JILTED = "jilted"  # met its buddy, which left first
    LONELY = "lonely"  # nobody came
    REDUNDANT = "redundant"  # another connection of its side was paired instead
    IMPATIENT = "impatient"  # sent bytes before our ok
    ERRORY = "errory"  # sent something other than a handshake, or broke the framing
    EMPTY = "empty"  # left, or ran out of time, before its handshake was whole


class Fallback(enum.Enum):
    """Why one way of a pair, which the kernel was to serve, goes through the process. Labels."""

    NO_PIPE = "no_pipe"  # no pipe was to be had, or only a tiny one
    REFUSED = "refused"  # the kernel would not splice; it went on from where it was


class LinkKind(enum.Enum):
    """What moves the bytes of a pair. The values are metric labels."""

    SPLICE = "splice"  # the kernel, or this process by hand where frames want it
    PRODUCER = "producer"  # Twisted's transports, through the process


@attrs.frozen
class PairRecord:
    """
    What a pair was, from the arrival of its first connection to the first departure.

    Both connections of a pair carry an equal one.
    """

    started: float
    """Seconds since the epoch: when the first of the two arrived."""
    waiting_seconds: float
    """From the arrival of the first to the arrival of the second."""
    total_seconds: float
    """From the arrival of the first until either left."""
    bytes: int
    """Relayed, both directions together."""


@attrs.frozen
class ConnectionRecord:
    """What one connection was, told once, when it is gone."""

    end: End
    mood: Mood
    started: float
    """Seconds since the epoch."""
    waiting_seconds: float | None
    """From its arrival until it had a buddy; None if it never had one."""
    total_seconds: float
    """From its arrival until it was gone."""
    bytes: int
    """Handed on from this connection to its buddy: the sum over all connections is the traffic."""
    pair: PairRecord | None
    """What became of it and its buddy together; None if it never had one."""


class Observer(Protocol):
    """
    Hears what the relay does.

    Called on the reactor's thread, where it may not block. An exception that it raises is treated
    like any other failure of the connection that it was told about.
    """

    def connection_state(self, link_end: End, before: State | None, after: State | None) -> None:
        """A connection goes from one state to the next; None stands for not (or no longer) here."""

    def relayed(self, byte_count: int) -> None:
        """So many bytes more were handed on; told in batches, and in full when a pair ends."""

    def finished(self, record: ConnectionRecord) -> None:
        """A connection is gone."""

    def internal_error(self) -> None:
        """Our own code failed while it dealt with one connection, which has been closed for it."""

    def linked(self, kind: LinkKind) -> None:
        """A pair has met, and its bytes are moved in this way."""

    def fell_back(self, why: Fallback) -> None:
        """One way of a pair, which the kernel was to serve, goes through the process."""

    def pipe_memory(self, byte_count: int) -> None:
        """Kernel memory in pipes is now so much."""


class Silent:
    """The observer that does nothing."""

    def connection_state(self, link_end: End, before: State | None, after: State | None) -> None:
        """Ignore it."""

    def relayed(self, byte_count: int) -> None:
        """Ignore it."""

    def finished(self, record: ConnectionRecord) -> None:
        """Ignore it."""

    def internal_error(self) -> None:
        """Ignore it."""

    def linked(self, kind: LinkKind) -> None:
        """Ignore it."""

    def fell_back(self, why: Fallback) -> None:
        """Ignore it."""

    def pipe_memory(self, byte_count: int) -> None:
        """Ignore it."""
