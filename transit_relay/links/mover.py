"""
What bytes go through on their way from socket to socket: the kernel's pipe, or a piece of our memory.

Owns the interface, and the second of the two. One mover serves all pairs: it is empty between turns.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from transit_relay.descriptor import Descriptor

SIZE: Final = 256 * 1024
"""Bytes of the buffer: what still fits into a processor's own cache."""

_MOST_PIECES: Final = 512
"""Far below what the system takes at once (IOV_MAX), and the more of them, the less it pays."""


class Mover(Protocol):
    """Takes bytes from one socket, and then hands them on to another."""

    size: int
    """The most that it takes at once."""

    def fill(self, source: Descriptor, most: int) -> int:
        """
        Take up to `most` bytes from `source`; 0 says that there will be no more.

        :raises BlockingIOError: there are none just now.
        :raises OSError: the connection is lost.
        """

    def empty(self, target: Descriptor, head: bytes) -> bytes:
        """
        Hand `head` and then all that is in here on to `target`; returns what it does not take.

        :raises OSError: the connection is lost, and with it what was in here.
        """


class Buffer:
    """A piece of memory, used again and again; a `Mover`."""

    __slots__ = ("_held", "_view", "memory", "size")

    def __init__(self) -> None:
        self.size = SIZE
        self.memory = bytearray(SIZE)
        self._view = memoryview(self.memory)
        self._held = 0

    def fill(self, source: Descriptor, most: int) -> int:
        """See `Mover.fill`."""
        self._held = source.socket.recv_into(self._view, min(most, SIZE))
        return self._held

    def empty(self, target: Descriptor, head: bytes) -> bytes:
        """See `Mover.empty`."""
        pieces = [self._view[: self._held]]
        return send(target, [memoryview(head), *pieces] if head else pieces)


def send(target: Descriptor, pieces: Sequence[memoryview]) -> bytes:
    """
    Send `pieces`, one after the other; returns a copy of what the socket does not take.

    :raises OSError: the connection is lost.
    """
    if len(pieces) > _MOST_PIECES:
        pieces = [memoryview(b"".join(pieces))]
    try:
        sent = target.socket.sendmsg(pieces)
    except BlockingIOError:
        sent = 0
    if sent == sum(map(len, pieces)):
        return b""
    return b"".join(pieces)[sent:]
