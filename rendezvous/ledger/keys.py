"""
Keys: the names and numbers that operations are serialised by, and the queues of those that share one.

Operations that share a key run one after the other. No I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from hashlib import blake2b
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)


def nameplate_key(app: str, nameplate: str) -> str:
    """Return the key of operations on a nameplate."""
    return f"nameplate {nameplate} {app}"


def mailbox_key(app: str, mailbox: str) -> str:
    """Return the key of operations on a mailbox."""
    return f"mailbox {len(mailbox)} {mailbox} {app}"


def lock_key(key: str) -> int:
    """
    Return the number of a key, for PostgreSQL's advisory locks and for announcements.

    :return: a signed 64-bit number, the same on every instance; the key cannot be read from it.
    """
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


class KeyQueues(Generic[Waiter]):
    """
    For each key a queue of those that use it; the first in a queue holds the key.

    Waiters that share no key proceed side by side. One that needs a further key on its way queues behind
    all that are already there.
    """

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[Waiter]] = {}
        self._keys: dict[Waiter, list[Hashable]] = {}

    def join(self, waiter: Waiter, keys: Iterable[Hashable]) -> None:
        """Queue for `keys`, behind all that are already there."""
        own = self._keys.setdefault(waiter, [])
        for key in keys:
            if key not in own:
                own.append(key)
                self._queues.setdefault(key, deque()).append(waiter)

    def holds_all(self, waiter: Waiter) -> bool:
        """Return whether `waiter` is first in every queue that it has joined."""
        return all(self._queues[key][0] == waiter for key in self._keys.get(waiter, ()))

    def holds(self, waiter: Waiter, key: Hashable) -> bool:
        """Return whether `waiter` is first in the queue for `key`."""
        queue = self._queues.get(key)
        return queue is not None and queue[0] == waiter

    def is_free(self, key: Hashable) -> bool:
        """Return whether the queue for `key` is empty."""
        return key not in self._queues

    def leave(self, waiter: Waiter) -> list[Waiter]:
        """
        Leave every queue.

        :return: those that can proceed now, since they are first in every queue of theirs; in the order of
            the keys that `waiter` had.
        """
        return self._leave(waiter, self._keys.pop(waiter, []))

    def give_back(self, waiter: Waiter, key: Hashable) -> list[Waiter]:
        """Leave the queue for one key; see `leave`."""
        self._keys[waiter].remove(key)
        return self._leave(waiter, [key])

    def _leave(self, waiter: Waiter, keys: Iterable[Hashable]) -> list[Waiter]:
        ready: list[Waiter] = []
        for key in keys:
            queue = self._queues[key]
            was_first = queue[0] == waiter
            queue.remove(waiter)
            if not queue:
                del self._queues[key]
            elif was_first and queue[0] not in ready and self.holds_all(queue[0]):
                ready.append(queue[0])
        return ready
