"""
Who, of the operations of one batch, has the turn of which key, and who waits for it. No I/O.

Operations that share a key go one after the other, in the order in which they came; all others may go side
by side. A key that an operation finds on its way it takes behind all who are there already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)


class Turns(Generic[Who]):
    """The queues for all keys; whoever is first in a queue has the turn."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[Who]] = {}
        self._keys: dict[Who, list[Hashable]] = {}

    def queue(self, who: Who, keys: Iterable[Hashable]) -> None:
        """Wait for the turns of `keys`, behind all who are there."""
        mine = self._keys.setdefault(who, [])
        for key in keys:
            if key not in mine:
                mine.append(key)
                self._queues.setdefault(key, deque()).append(who)

    def has_all(self, who: Who) -> bool:
        """Whether it is `who`'s turn, wherever it waits."""
        return all(self._queues[key][0] == who for key in self._keys.get(who, ()))

    def has(self, who: Who, key: Hashable) -> bool:
        """Whether `who` has the turn of `key` already."""
        queue = self._queues.get(key)
        return queue is not None and queue[0] == who

    def is_free(self, key: Hashable) -> bool:
        """Whether nobody has the turn of `key`, or waits for it."""
        return key not in self._queues

    def leave(self, who: Who) -> list[Who]:
        """`who` has finished; those whose turn it is now in every queue, in the order of its keys."""
        return self._give_up(who, self._keys.pop(who, []))

    def give_back(self, who: Who, key: Hashable) -> list[Who]:
        """`who` has no use for one key after all; those whose turn it is now in every queue."""
        self._keys[who].remove(key)
        return self._give_up(who, [key])

    def _give_up(self, who: Who, keys: Iterable[Hashable]) -> list[Who]:
        next_ones: list[Who] = []
        for key in keys:
            queue = self._queues[key]
            was_first = queue[0] == who
            queue.remove(who)
            if not queue:
                del self._queues[key]
            elif was_first and queue[0] not in next_ones and self.has_all(queue[0]):
                next_ones.append(queue[0])
        return next_ones
