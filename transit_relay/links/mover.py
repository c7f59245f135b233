"""
The movers: what bytes go through on their way from socket to socket.

Owns the interface of a mover, and the one that is a piece of this process's memory. One mover serves all
pairs: it is empty between turns.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from transit_relay.descriptor import Descriptor

SIZE: Final = 1 << 20
"""
Bytes of the buffer, which are also what goes through it in a turn. Half as many at once, twice in a turn,
take a tenth to a fifth more processor time where the peers, or a proxy before them, are on the same machine:
each call makes the kernel handle what they send next. Twice as many would hold up the others for a
millisecond.
"""

_MOST_PIECES: Final = 512
"""Far below what sendmsg takes at once (IOV_MAX); the more pieces, the less is gained by not joining them."""


class Mover(Protocol):
    """Takes bytes from one socket, then sends them to another."""

    size: int
    """Bytes that it takes at once, at most."""

    @property
    def turn(self) -> int:
        """Bytes that it moves in a turn of the reactor, at most: about half a millisecond."""

    def fill(self, source: Descriptor, most: int) -> int:
        """
        Take up to `most` bytes from `source`.

        :return: how many; 0 if the peer sends no more.
        :raises BlockingIOError: nothing has arrived.
        :raises OSError: the connection is lost.
        """

    def empty(self, target: Descriptor, head: bytes) -> bytes:
        """
        Send `head`, and then everything that was taken, to `target`.

        :return: what the socket does not take.
        :raises OSError: the connection is lost, and with it everything that was taken.
        """


class Buffer:
    """A piece of memory, used again and again; a `Mover`."""

    __slots__ = ("_held", "_view", "memory", "size", "turn")

    def __init__(self) -> None:
        self.size = self.turn = SIZE
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
    Send `pieces`, one after the other.

    :return: a copy of what the socket does not take.
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
