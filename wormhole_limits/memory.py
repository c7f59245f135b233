"""
The memory account: which connections have to go for what they hold. No I/O; time is a parameter.

Owns the choice. What a connection holds is what waits to be sent to its client, and what has arrived of a
message that is not whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import attrs

from wormhole_limits.bounds import Bound

C = TypeVar("C")


@attrs.frozen
class MemoryLimits:
    """
    What connections may hold.

    :ivar total_bytes: all together; over that, the connections that hold most are dropped.
    :ivar connection_bytes: each.
    :ivar message_seconds: time for a client to finish a message that it has begun.
    """

    total_bytes: int
    connection_bytes: int
    message_seconds: float


@attrs.frozen
class Holding:
    """
    What a connection holds.

    :ivar size: bytes.
    :ivar message: the number of the message that has begun, and is not whole; None where there is none.
    """

    size: int
    message: int | None


class MemoryAccount(Generic[C]):
    """
    Finds the connections that have to be dropped.

    :param limits: may be replaced at any time.
    """

    def __init__(self, limits: MemoryLimits) -> None:
        self.limits = limits
        # By connection, the message that has begun, and when that was seen first.
        self._begun: dict[C, tuple[int, float]] = {}

    def settle(self, holdings: Mapping[C, Holding], now: float) -> list[tuple[C, Bound]]:
        """
        Find who has to be dropped for the limits to be kept.

        :param holdings: of the connections that hold anything, all of them.
        :param now: seconds of a steady clock.
        :return: the connections, and the bound that each has met.
        """
        limits, before, self._begun = self.limits, self._begun, {}
        dropped: list[tuple[C, Bound]] = []
        kept: list[tuple[int, C]] = []
        for connection, holding in holdings.items():
            if holding.message is not None:
                message, since = before.get(connection, (None, now))
                if message != holding.message:
                    since = now
                self._begun[connection] = (holding.message, since)
                if now - since >= limits.message_seconds:
                    dropped.append((connection, Bound.UNFINISHED))
                    continue
            if holding.size > limits.connection_bytes:
                dropped.append((connection, Bound.UNSENT))
            else:
                kept.append((holding.size, connection))
        total = sum(size for size, _ in kept)
        if total > limits.total_bytes:
            kept.sort(key=lambda one: one[0])
        while total > limits.total_bytes:
            size, connection = kept.pop()
            total -= size
            dropped.append((connection, Bound.UNSENT))
        return dropped
