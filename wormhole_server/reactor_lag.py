"""
How late the reactor is. Owns the timer that finds out.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# Often enough to meet a stall of half a second, rarely enough to cost nothing.
_INTERVAL_SECONDS = 0.5


class ReactorLag:
    """
    Sets a timer, sees how late it runs, and sets it again.

    :param observe: takes the lag in seconds.
    """

    def __init__(self, clock: IReactorTime, observe: Callable[[float], None]) -> None:
        self._clock = clock
        self._observe = observe
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to measure."""
        due = self._clock.seconds() + _INTERVAL_SECONDS
        self._call = self._clock.callLater(_INTERVAL_SECONDS, self._ran, due)

    def stop(self) -> None:
        """Measure no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _ran(self, due: float) -> None:
        # A timer may be early by as much as the system rounds.
        self._observe(max(0.0, self._clock.seconds() - due))
        self.start()
