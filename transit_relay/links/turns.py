"""
Whose turn is how long: the reactor's other work is not to wait for the relay.

Owns the share of each direction in one round of the reactor, in which all that have bytes have a turn
each. Together they move about as many bytes, be they few or many, so that the round takes about a
millisecond; but nobody moves so little that it does not pay.
"""

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

ROUND: Final = 2 << 20
"""Bytes of all directions together in one round, which nobody exceeds alone."""

LEAST: Final = 256 * 1024
"""Bytes of one direction: below that, what a turn costs by itself is more than what moves."""


class Turns:
    """Counts the turns of each round, and shares out the next by that."""

    __slots__ = ("_clock", "_count", "_end", "_share")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._count = 0
        self._share = ROUND
        self._end: IDelayedCall | None = None

    def share(self) -> int:
        """How many bytes this turn may move."""
        self._count += 1
        if self._end is None:
            self._end = self._clock.callLater(0, self._round_over)
        return self._share

    def _round_over(self) -> None:
        self._end = None
        self._share = max(LEAST, ROUND // self._count)
        self._count = 0
