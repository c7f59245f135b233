"""
Looks at the counters now and then, so that nobody has to tell the status page of every event.

Owns the timer.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# A step of a minute is off by a tenth of it at most; a look takes microseconds.
_INTERVAL_SECONDS = 6.0


class Sampler:
    """
    Looks again and again.

    :param look: takes down what has been counted.
    """

    def __init__(self, clock: IReactorTime, look: Callable[[], None]) -> None:
        self._clock = clock
        self._look = look
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Look now, and from now on."""
        self._look()
        self._call = self._clock.callLater(_INTERVAL_SECONDS, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
