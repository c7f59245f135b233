"""
One question to somebody slow, and many who want the answer.

Owns how long they wait, and that there is never more than one such question under way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


class Shared(Generic[T]):
    """
    Asks at most one question at a time. Whoever asks meanwhile gets the same answer.

    A question that is not answered in time stays under way: a database that hangs is not asked again
    and again, and the answer that comes at last is for those who wait by then.

    :param patience_seconds: how long one who asks waits, until their Deferred fails with TimeoutError.
    """

    def __init__(
        self, clock: IReactorTime, ask: Callable[[], Deferred[T]], patience_seconds: float
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._patience_seconds = patience_seconds
        self._waiting: dict[Deferred[T], None] = {}
        self._asking = False

    def __call__(self) -> Deferred[T]:
        """The answer; fails with TimeoutError, or with what the question failed with."""
        waiting: Deferred[T] = Deferred(self._forget)
        waiting.addTimeout(self._patience_seconds, self._clock)
        self._waiting[waiting] = None
        if not self._asking:
            self._asking = True
            maybeDeferred(self._ask).addBoth(self._answered)
        return waiting

    def _answered(self, answer: T | Failure) -> None:
        self._asking = False
        waiting, self._waiting = self._waiting, {}
        for each in waiting:
            if not each.called:
                each.callback(answer)

    def _forget(self, waiting: Deferred[T]) -> None:
        # A question may stay under way for ever, and who gives up on it may ask again and again.
        self._waiting.pop(waiting, None)
