"""
The race of connection attempts: the first that succeeds wins, and all others are cancelled.

If all fail, the race fails with the first failure. It owns the attempts, and knows nothing of what
they attempt.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


class NoConnectionError(Exception):
    """The race has no winner, and no attempt has failed with a reason."""


class Race(Generic[T]):
    """
    A race. Attempts may enter until one has won or `close` was called.

    :ivar result: fires with the winner; cancelling it ends the race.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._running: list[Deferred[T]] = []
        self._waiting: list[IDelayedCall] = []
        self._first_failure: Failure | None = None
        self._closed = False
        self.over = False
        self.result: Deferred[T] = Deferred(lambda _: self._end())

    def enter(self, attempt: Deferred[T]) -> None:
        """Add an attempt that has begun; it is cancelled at once if the race is over."""
        self._running.append(attempt)
        attempt.addCallbacks(self._won, self._lost, callbackArgs=(attempt,), errbackArgs=(attempt,))
        if self.over:
            self._cancel(attempt)

    def enter_later(self, delay: float, begin: Callable[[], Deferred[T]]) -> None:
        """
        Add an attempt that begins later, unless the race is over by then.

        :param delay: in seconds.
        """
        if self.over:
            return
        if delay <= 0:
            self.enter(begin())
            return

        def enter() -> None:
            self._waiting.remove(call)
            self.enter(begin())

        call = self._clock.callLater(delay, enter)
        self._waiting.append(call)

    def close(self) -> None:
        """Accept no more attempts: the race fails as soon as all that have entered have failed."""
        self._closed = True
        self._check()

    def give_up(self, reason: Exception) -> None:
        """
        End the race without a winner.

        :param reason: what it fails with if no attempt has failed yet.
        """
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
            no_attempt = NoConnectionError("neither end has an address that the other can try")
            self._fail(self._first_failure or Failure(no_attempt))

    def _fail(self, reason: Failure) -> None:
        self._end()
        self.result.errback(reason)

    def _end(self) -> None:
        self.over = True
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        for attempt in list(self._running):
            self._cancel(attempt)

    def _cancel(self, attempt: Deferred[T]) -> None:
        try:
            attempt.cancel()
        except Exception:  # an endpoint's own: the race has its result, and the others go on
            self._log.failure("A connection attempt could not be cancelled.")
