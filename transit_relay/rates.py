"""
The rates of the relay: how many bytes a second a pair, an address and all pairs together may send.

Owns the buckets, and the timers of directions that wait for them. A link asks before it takes bytes, and is
called when it may take some again; meanwhile it reads nothing, and the bytes stay with their sender.
"""

import sys
from collections.abc import Callable
from itertools import count
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from transit_relay.session import RelayLimits
from wormhole_limits.bounds import Bound, BoundObserver
from wormhole_limits.buckets import Rate, TokenBuckets

LEAST_BYTES: Final = 16 * 1024
"""Bytes that are worth a turn of the reactor: a direction waits for as many."""

_BURST_SECONDS: Final = 1.0


class Allowance:
    """
    The bytes that one direction of a pair may move now.

    :param buckets: each with the key that this direction has there.
    :param waits: called once, when it has to wait for the first time.
    """

    __slots__ = ("_buckets", "_clock", "_timer", "_waits")

    def __init__(
        self,
        clock: IReactorTime,
        buckets: list[tuple[TokenBuckets, int]],
        waits: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._buckets = buckets
        self._waits: Callable[[], None] | None = waits
        self._timer: IDelayedCall | None = None

    def room(self) -> int:
        """How many bytes may be moved: none, or `LEAST_BYTES` and more; any number once there is no limit."""
        now = self._clock.seconds()
        level = min(buckets.level(key, now) for buckets, key in self._buckets)
        return int(min(level, sys.maxsize)) if level >= LEAST_BYTES else 0

    def spend(self, byte_count: int) -> None:
        """Note that bytes were moved; it may be more than there was room for."""
        now = self._clock.seconds()
        for buckets, key in self._buckets:
            buckets.spend(key, now, byte_count)

    def wait(self, resume: Callable[[], None]) -> None:
        """Call `resume` when there may be room again, unless something waits for that already."""
        if self._timer is not None:
            return
        waits, self._waits = self._waits, None
        if waits is not None:
            waits()
        now = self._clock.seconds()
        seconds = max(
            (
                (LEAST_BYTES - buckets.level(key, now)) / buckets.rate.per_second
                for buckets, key in self._buckets
                if buckets.rate is not None
            ),
            default=0.0,
        )
        self._timer = self._clock.callLater(max(0.0, seconds), self._resume, resume)

    def stop(self) -> None:
        """Call nothing any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _resume(self, resume: Callable[[], None]) -> None:
        self._timer = None
        resume()


class RateLimiter:
    """
    The buckets of all pairs.

    :param bounds: told once of each direction that is slowed.
    """

    def __init__(self, clock: IReactorTime, bounds: BoundObserver) -> None:
        self._clock = clock
        self._bounds = bounds
        self._pairs = TokenBuckets(None)
        self._addresses = TokenBuckets(None)
        self._total = TokenBuckets(None)
        self._numbers = count()

    def allowances(
        self, limits: RelayLimits, blocks: tuple[int, int]
    ) -> tuple[Allowance | None, Allowance | None]:
        """
        Make the allowances of a new pair; None where it has no limit.

        :param limits: their rates hold from now on, also for pairs that exist and had a rate of the kind.
        :param blocks: the keys of the addresses of both; the first allowance is for what the first sends.
        """
        for buckets, per_second in (
            (self._pairs, limits.pair_rate),
            (self._addresses, limits.address_rate),
            (self._total, limits.total_rate),
        ):
            buckets.rate = None if per_second is None else _rate(per_second)
        number = next(self._numbers)
        first, second = (self._allowance(number, block) for block in blocks)
        return first, second

    def _allowance(self, number: int, block: int) -> Allowance | None:
        buckets = [
            (buckets, key)
            for buckets, key in ((self._pairs, number), (self._addresses, block), (self._total, 0))
            if buckets.rate is not None and (block or buckets is not self._addresses)
        ]
        if not buckets:
            return None
        return Allowance(
            self._clock, buckets, lambda: self._bounds.bound_met(Bound.RELAY_RATE, block)
        )


def _rate(per_second: int) -> Rate:
    return Rate(per_second, max(per_second * _BURST_SECONDS, 2 * LEAST_BYTES))
