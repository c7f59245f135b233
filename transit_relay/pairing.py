"""
The pairing: the connections that wait for a buddy, and the rules by which two of them become a pair.

No I/O, and no knowledge of what a connection is: anything hashable will do.

- Two connections pair when their tokens are equal and their sides differ. One without a side pairs with any.
- When a pair is made, the other connections that wait with its token are redundant: they are of the side that
  has just been paired. (All that wait for one token are of one side: any other would have been paired.)
- The newest of several is paired. A client that reconnects has often lost its previous connection in a way
  that the relay has not noticed yet.

Each operation takes constant time, except for listing the redundant connections.
"""

from typing import Generic, TypeVar

import attrs

from transit_relay.handshake import Request, Side, Token

C = TypeVar("C")


@attrs.frozen
class Match(Generic[C]):
    """The buddy of a new connection. None of the connections named here waits any more."""

    buddy: C
    redundant: tuple[C, ...]
    """The other connections that waited with the same token, oldest first."""


@attrs.define
class _Queue(Generic[C]):
    """The connections that wait with one token, oldest first, all of one side."""

    side: Side | None
    waiting: dict[C, None] = attrs.Factory(dict)


class Pairing(Generic[C]):
    """The connections that wait, by token."""

    def __init__(self) -> None:
        self._queues: dict[Token, _Queue[C]] = {}
        # The connections that wait, each with its token and its address.
        self._tokens: dict[C, tuple[Token, int]] = {}
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def count(self, address: int) -> int:
        """How many connections of an address wait."""
        return self._counts.get(address, 0)

    def request_of(self, connection: C) -> Request | None:
        """What a connection that waits has asked for; None: it does not wait."""
        if connection not in self._tokens:
            return None
        token, _ = self._tokens[connection]
        return Request(token, self._queues[token].side)

    def match_or_wait(self, connection: C, request: Request, address: int) -> Match[C] | None:
        """
        Find the buddy of a new connection.

        :param address: the key of its address; see `block_of`.
        :return: None if there is none yet: `connection` waits from now on.
        """
        queue = self._queues.get(request.token)
        if queue is not None and (queue.side is None or queue.side != request.side):
            del self._queues[request.token]
            buddy, _ = queue.waiting.popitem()
            for one in (buddy, *queue.waiting):
                _decrement(self._counts, self._tokens.pop(one)[1])
            return Match(buddy, tuple(queue.waiting))
        if queue is None:
            queue = self._queues[request.token] = _Queue(request.side)
        queue.waiting[connection] = None
        self._tokens[connection] = request.token, address
        self._counts[address] = self._counts.get(address, 0) + 1
        return None

    def remove(self, connection: C) -> None:
        """Let `connection` wait no longer, if it does."""
        token, address = self._tokens.pop(connection, (None, 0))
        if token is not None:
            _decrement(self._counts, address)
            queue = self._queues[token]
            del queue.waiting[connection]
            if not queue.waiting:
                del self._queues[token]


def _decrement(counts: dict[int, int], key: int) -> None:
    """Count one less; a count of 0 is not kept."""
    left = counts.pop(key) - 1
    if left:
        counts[key] = left
