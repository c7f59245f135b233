"""
Who waits for whom.

Owns the rules by which two connections become a pair, and the memory of those that wait. No I/O
and no idea of what a connection is: anything hashable will do.

- Two connections pair when their tokens are equal and their sides differ. One without a side pairs
  with any.
- When a pair is made, others that wait with its token are redundant: they are of the side that has
  just been paired. (So all that wait for one token are of one side: any other would have paired.)
- Of several that wait, the newest is taken. A client that comes again has often lost the connection
  it had before in a way that nobody has told us of yet.

Everything is done in constant time, but for naming the redundant ones.
"""

from typing import Generic, TypeVar

import attrs

from transit_relay.handshake import Request, Side, Token

C = TypeVar("C")


@attrs.frozen
class Match(Generic[C]):
    """The newcomer's buddy, and those that waited in vain; none of them waits any more."""

    buddy: C
    redundant: tuple[C, ...]


@attrs.define
class _Queue(Generic[C]):
    """Those that wait for one token, oldest first, all of one side."""

    side: Side | None
    waiting: dict[C, None] = attrs.Factory(dict)


class Pairing(Generic[C]):
    """The connections that wait, by token."""

    def __init__(self) -> None:
        self._queues: dict[Token, _Queue[C]] = {}
        self._tokens: dict[C, Token] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._tokens)

    def arrive(self, connection: C, request: Request) -> Match[C] | None:
        """Find a buddy for `connection`, or let it wait."""
        queue = self._queues.get(request.token)
        if queue is not None and (queue.side is None or queue.side != request.side):
            del self._queues[request.token]
            buddy, _ = queue.waiting.popitem()
            del self._tokens[buddy]
            for redundant in queue.waiting:
                del self._tokens[redundant]
            return Match(buddy, tuple(queue.waiting))
        if queue is None:
            queue = self._queues[request.token] = _Queue(request.side)
        queue.waiting[connection] = None
        self._tokens[connection] = request.token
        return None

    def leave(self, connection: C) -> None:
        """Forget `connection`, if it waits."""
        token = self._tokens.pop(connection, None)
        if token is not None:
            queue = self._queues[token]
            del queue.waiting[connection]
            if not queue.waiting:
                del self._queues[token]
