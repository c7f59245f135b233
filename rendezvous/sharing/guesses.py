"""
Guesses at nameplates: how long an address waits that has claimed nameplates of others.

A wrong guess is a claim that is refused because two other sides hold the nameplate, or one as second side
that ends with a wrong password or without a single message. People type a wrong number now and then. Whoever
tries one nameplate after the other waits longer for each, and takes fewer away from those whom they belong
to. No I/O; time is a parameter.
"""

from __future__ import annotations

from wormhole_limits.buckets import Rate, TokenBuckets

# However many guesses an address has made: 60 s is as good as never to a program, and bearable to a person.
MOST_SECONDS = 60.0
# The sixth doubling of a second is the last. Nothing is owed beyond it: an address is forgiven in the time in
# which seven guesses are free, which is 42 minutes where ten are free in an hour.
_MOST_OWED = 6.0
_HOUR = 3600.0


class Guesses:
    """
    Counts wrong guesses by address; what has the key 0 is not counted. See `block_of`.

    :param an_hour: how many are free in an hour; None: all.
    """

    def __init__(self, an_hour: int | None) -> None:
        self._buckets = TokenBuckets(None, _MOST_OWED)
        self.change(an_hour)

    def change(self, an_hour: int | None) -> None:
        """Let another number be free from now on."""
        self._buckets.rate = None if an_hour is None else Rate(an_hour / _HOUR, an_hour)

    def wrong(self, block: int, now: float) -> None:
        """An address has made a wrong guess; `now` is in seconds of a steady clock."""
        if block:
            self._buckets.spend(block, now)

    def delay(self, block: int, now: float) -> float:
        """Return for how many seconds the next claim of an address has to wait."""
        left = self._buckets.level(block, now)
        return 0.0 if left >= 1 else min(MOST_SECONDS, 2.0**-left)
