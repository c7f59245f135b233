"""
Token buckets, one for each key: for everything that has a rate. No I/O; time is a parameter.

A bucket is one number, the time at which it will be full again. One that is full is the same as one that does
not exist, so full buckets are forgotten, a few with each use.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import attrs

# Buckets that are kept at most, about 12 MiB. Whoever has more addresses than this finds a full bucket at
# each new one anyway.
MAX_BUCKETS = 65_536
# Buckets looked at with each use. One use adds one bucket at most, so two keep up with any number of keys.
_LOOKS = 2


@attrs.frozen
class Rate:
    """
    How fast a bucket fills, and how much it holds.

    :ivar per_second: tokens, more than 0.
    :ivar burst: the tokens of a full bucket, more than 0.
    """

    per_second: float
    burst: float


class TokenBuckets:
    """
    One token bucket for each key, full until it is used.

    :param rate: of each bucket; None for no limit: no bucket is ever empty.
    :param most_owed: tokens; an overdrawn bucket owes no more than this, which bounds how long it takes to
        fill.
    :ivar rate: may be changed at any time.
    """

    def __init__(self, rate: Rate | None, most_owed: float = math.inf) -> None:
        self.rate = rate
        self._most_owed = most_owed
        # By key, when the bucket is full again. Looked at in turn, from the first on.
        self._full_at: OrderedDict[int, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many buckets are remembered."""
        return len(self._full_at)

    def level(self, key: int, now: float) -> float:
        """
        Return the tokens in a bucket: less than 0 if it is overdrawn, infinity without a limit.

        :param key: such as `ip_addresses.block_of` returns.
        :param now: seconds of a steady clock, as in the other methods.
        """
        if self.rate is None:
            return math.inf
        missing = self._full_at.get(key, now) - now
        return self.rate.burst - missing * self.rate.per_second if missing > 0 else self.rate.burst

    def take(self, key: int, now: float, tokens: float = 1.0) -> bool:
        """
        Take tokens out of a bucket, if it has so many.

        :return: False if it has not; nothing is taken.
        """
        if self.level(key, now) < tokens:
            return False
        self.spend(key, now, tokens)
        return True

    def spend(self, key: int, now: float, tokens: float = 1.0) -> float:
        """
        Take tokens out of a bucket, which may become overdrawn.

        :return: the seconds until it is overdrawn no more; 0 if it is not.
        """
        rate = self.rate
        if rate is None:
            return 0.0
        left = max(self.level(key, now) - tokens, -self._most_owed)
        self._full_at[key] = now + (rate.burst - left) / rate.per_second
        if tokens > 0:
            self._forget_full(now)
        return -left / rate.per_second if left < 0 else 0.0

    def _forget_full(self, now: float) -> None:
        for _ in range(_LOOKS):
            key, full_at = self._full_at.popitem(last=False)
            if full_at > now:
                self._full_at[key] = full_at
            if not self._full_at:
                return
        if len(self._full_at) > MAX_BUCKETS:
            self._full_at.popitem(last=False)
