"""
The cached query: asks a slow source at most once at a time, and remembers the answer for a while.

Owns how long callers wait, and how long an answer is fresh. Knows nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")

_log = Logger()


class CachedQuery(Generic[T]):
    """
    Answers from memory while the last answer is fresh, and else shares one query among all callers.

    A query that is not answered in time stays under way: a database that hangs is not asked again and again.
    The late answer goes to the callers that wait by then. Failures are not remembered.

    :param clock: runs the timers; steady.
    :param ask: starts a query.
    :param timeout_seconds: how long a caller waits.
    :param fresh_seconds: how long an answer is used; 0: for the callers that wait for it only.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ask: Callable[[], Deferred[T]],
        *,
        timeout_seconds: float,
        fresh_seconds: float,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._timeout_seconds = timeout_seconds
        self._fresh_seconds = fresh_seconds
        self._waiting: dict[Deferred[T], None] = {}
        self._asking = False
        self._answer: T | None = None
        self._fresh_until = float("-inf")

    def __call__(self) -> Deferred[T]:
        """
        Return the answer.

        :return: fails with TimeoutError, or with what the query fails with.
        """
        if self._clock.seconds() < self._fresh_until:
            return succeed(cast(T, self._answer))
        waiting: Deferred[T] = Deferred(self._forget)
        waiting.addTimeout(self._timeout_seconds, self._clock)
        self._waiting[waiting] = None
        if not self._asking:
            self._asking = True
            maybeDeferred(self._ask).addCallback(self._remember).addBoth(self._deliver).addErrback(
                self._fail
            )
        return waiting

    def _remember(self, answer: T) -> T:
        self._answer = answer
        self._fresh_until = self._clock.seconds() + self._fresh_seconds
        return answer

    def _deliver(self, answer: T | Failure) -> None:
        self._asking = False
        waiting, self._waiting = self._waiting, {}
        for each in waiting:
            if not each.called:
                each.callback(answer)

    def _fail(self, failure: Failure) -> None:
        """Ask again for the next caller: the answer could not be delivered."""
        self._asking = False
        _log.failure("An answer could not be delivered.", failure)

    def _forget(self, waiting: Deferred[T]) -> None:
        # Callers may time out again and again while a query hangs.
        self._waiting.pop(waiting, None)
