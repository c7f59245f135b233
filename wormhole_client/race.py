"""
A race of attempts: the first to succeed wins, all others are cancelled whatever they are doing; if
all fail, the first failure is told. Owns the attempts; knows nothing of what they attempt.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


class NobodyCame(Exception):
    """The race is over without a winner, and without a failure that would explain it."""


class Race(Generic[T]):
    """Attempts may enter until somebody has won or `close` was called."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._running: list[Deferred[T]] = []
        self._waiting: list[IDelayedCall] = []
        self._first_failure: Failure | None = None
        self._closed = False
        self.over = False
        self.result: Deferred[T] = Deferred(lambda _: self._end())
        """The winner. Cancelling it ends the race."""

    def enter(self, attempt: Deferred[T]) -> None:
        """An attempt that is under way; one that comes too late is cancelled at once."""
        self._running.append(attempt)
        attempt.addCallbacks(self._won, self._lost, callbackArgs=(attempt,), errbackArgs=(attempt,))
        if self.over:
            attempt.cancel()

    def enter_later(self, delay: float, attempt: Callable[[], Deferred[T]]) -> None:
        """An attempt that begins in `delay` seconds, if nobody has won by then."""
        if self.over:
            return
        if delay <= 0:
            self.enter(attempt())
            return

        def begin() -> None:
            self._waiting.remove(call)
            self.enter(attempt())

        call = self._clock.callLater(delay, begin)
        self._waiting.append(call)

    def close(self) -> None:
        """Nobody else will enter: once all who run have failed, so has the race."""
        self._closed = True
        self._check()

    def give_up(self, reason: Exception) -> None:
        """It has taken too long. Of the failures the first is told, else `reason`."""
        if not self.over:
            self._fail(self._first_failure or Failure(reason))

    def _won(self, winner: T, attempt: Deferred[T]) -> None:
        self._running.remove(attempt)
        if not self.over:
            self._end()
            self.result.callback(winner)

    def _lost(self, reason: Failure, attempt: Deferred[T]) -> None:
        self._running.remove(attempt)
        if not self.over:
            self._first_failure = self._first_failure or reason
            self._check()

    def _check(self) -> None:
        if self._closed and not self.over and not self._running and not self._waiting:
            self._fail(self._first_failure or Failure(NobodyCame("there was no way to try")))

    def _fail(self, reason: Failure) -> None:
        self._end()
        self.result.errback(reason)

    def _end(self) -> None:
        self.over = True
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        for attempt in list(self._running):
            attempt.cancel()
