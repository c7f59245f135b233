"""
The traffic of the relay in this calendar month (UTC): in all, and of each address.

Owns the sums. Those of addresses are in memory only; the sum of all is given back after a restart.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

MAX_ADDRESSES: Final = 100_000
"""A hundred bytes each. Of more, those that have sent nothing for the longest time are forgotten."""


class MonthlyTraffic:
    """
    The bytes that were relayed this month.

    :param day: the time of day, in seconds since the epoch.
    """

    def __init__(self, day: Callable[[], float], most: int = MAX_ADDRESSES) -> None:
        self._day = day
        self._most = most
        self._month = (0, 0)
        self._total = 0
        # By the key of an address, see `block_of`; whose bytes were counted last is last.
        self._of_address: dict[int, int] = {}

    @property
    def total(self) -> int:
        """Bytes in all."""
        self._begin_month()
        return self._total

    def of_address(self, block: int) -> int:
        """Bytes that clients of one address have sent."""
        self._begin_month()
        return self._of_address.get(block, 0)

    def add(self, block: int, byte_count: int) -> None:
        """Count bytes that a client of this address has sent; 0: of none."""
        self._begin_month()
        self._total += byte_count
        if block:
            self._of_address[block] = self._of_address.pop(block, 0) + byte_count
            if len(self._of_address) > self._most:
                del self._of_address[next(iter(self._of_address))]

    def month_start(self) -> float:
        """When this month began, in seconds since the epoch."""
        now = datetime.fromtimestamp(self._day(), UTC)
        return datetime(now.year, now.month, 1, tzinfo=UTC).timestamp()

    def restore(self, byte_count: int) -> None:
        """Add what was relayed this month before this process began."""
        self._begin_month()
        self._total += byte_count

    def _begin_month(self) -> None:
        now = datetime.fromtimestamp(self._day(), UTC)
        if (now.year, now.month) != self._month:
            self._month = (now.year, now.month)
            self._total = 0
            self._of_address.clear()
