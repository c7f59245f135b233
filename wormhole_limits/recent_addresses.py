"""
The addresses that have met a bound lately, who are asked for a proof of work, and those that have been
clients lately. No I/O.

Owns how long they are remembered, and that their number is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wormhole_limits.bounds import Bound, BoundObserver

REMEMBERED_SECONDS: Final = 3600.0
# A hundred bytes each. Whoever has more addresses than that, each over a bound, gains that the first ones
# are forgotten.
MAX_ADDRESSES: Final = 100_000

# Met for who the client is, for what others have taken, or for what it has not brought.
_NOT_FOR_TAKING: Final = frozenset(
    {Bound.DENIED, Bound.DISK, Bound.PERMISSION, Bound.RELAY_STRANGER}
)


class RecentAddresses(BoundObserver):
    """
    Remembers the addresses that have met a bound for having taken too much, and passes all reports on.

    :param clock: steady, in seconds.
    :param observer: gets all reports.
    """

    def __init__(
        self, clock: Callable[[], float], observer: BoundObserver, most: int = MAX_ADDRESSES
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._most = most
        # By the key of an address, when it met a bound last; the longest ago first.
        self._met: dict[int, float] = {}

    def bound_met(self, bound: Bound, block: int) -> None:
        self._observer.bound_met(bound, block)
        if block == 0 or bound in _NOT_FOR_TAKING:
            return
        _remember(self._met, block, self._clock(), self._most)

    def met_lately(self, block: int) -> bool:
        """
        Return whether an address has met a bound within the last hour.

        :param block: its key, see `block_of`.
        """
        met = self._met.get(block)
        return met is not None and met > self._clock() - REMEMBERED_SECONDS


class KnownAddresses:
    """
    The addresses of clients that are connected, or have been within the last hour.

    :param clock: steady, in seconds.
    """

    def __init__(self, clock: Callable[[], float], most: int = MAX_ADDRESSES) -> None:
        self._clock = clock
        self._most = most
        self._connected: dict[int, int] = {}
        # By the key of an address, when its last client left; the longest ago first.
        self._left: dict[int, float] = {}

    def connected(self, block: int) -> None:
        """Note a client; `block` is the key of its address, see `block_of`."""
        self._connected[block] = self._connected.get(block, 0) + 1

    def disconnected(self, block: int) -> None:
        """Note that a client is gone that was noted before."""
        others = self._connected.pop(block, 1) - 1
        if others:
            self._connected[block] = others
        _remember(self._left, block, self._clock(), self._most)

    def is_known(self, block: int) -> bool:
        """Return whether an address has, or had within the last hour, a client."""
        left = self._left.get(block)
        return block in self._connected or (
            left is not None and left > self._clock() - REMEMBERED_SECONDS
        )


def _remember(times: dict[int, float], block: int, now: float, most: int) -> None:
    """Put an address behind all others, and forget of the first ones those that are too old or too many."""
    times.pop(block, None)
    times[block] = now
    for _ in range(2):  # one more than was added, so that none stays for ever
        oldest = next(iter(times))
        if len(times) > most or times[oldest] <= now - REMEMBERED_SECONDS:
            del times[oldest]
