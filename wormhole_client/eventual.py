"""
Events that any number of callers may wait for, each with a Deferred of its own, and the queue that
fires them in a later turn of the reactor, so that no caller's callback runs inside our machines.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


class EventualQueue:
    """Runs calls in the order in which they were queued, in the next turn of `clock`."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: deque[Callable[[], object]] = deque()
        self._scheduled = False

    def send(self, call: Callable[[], object]) -> None:
        self._calls.append(call)
        self._schedule()

    def _schedule(self) -> None:
        if self._calls and not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        for _ in range(len(self._calls)):
            call = self._calls.popleft()
            try:
                call()
            except Exception:  # one application's mistake is not the next one's
                self._log.failure("an application's callback failed")
        self._schedule()


class OneShotObserver(Generic[T]):
    """Something that happens once, or fails once. What comes later is not news."""

    def __init__(self, eventual: EventualQueue) -> None:
        self._eventual = eventual
        self._result: list[T | Failure] = []
        self._waiting: list[Deferred[T]] = []

    def when_fired(self) -> Deferred[T]:
        waiter: Deferred[T] = Deferred(self._forget)
        self._waiting.append(waiter)
        if self._result:
            self._tell(waiter)
        return waiter

    def fire(self, result: T | Failure) -> None:
        if self._result:
            return
        self._result.append(result)
        for waiter in self._waiting:
            self._tell(waiter)

    def _tell(self, waiter: Deferred[T]) -> None:
        self._eventual.send(lambda: self._deliver(waiter))

    def _deliver(self, waiter: Deferred[T]) -> None:
        if waiter in self._waiting:  # else it was cancelled meanwhile
            self._waiting.remove(waiter)
            deliver(waiter, self._result[0])

    def _forget(self, waiter: Deferred[T]) -> None:
        self._waiting.remove(waiter)


class SequenceObserver(Generic[T]):
    """A row of results: the first to ask gets the first. After a failure everybody gets that."""

    def __init__(
        self, eventual: EventualQueue, delivered: Callable[[], object] = lambda: None
    ) -> None:
        self._eventual = eventual
        self._delivered = delivered
        self._results: deque[T] = deque()
        self._failure: Failure | None = None
        self._waiting: deque[Deferred[T]] = deque()

    def when_next(self) -> Deferred[T]:
        waiter: Deferred[T] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        self._eventual.send(self._match)
        return waiter

    def fire(self, result: T) -> None:
        self._results.append(result)
        self._eventual.send(self._match)

    def fail(self, failure: Failure) -> None:
        """Results that are here already are still delivered before it."""
        if self._failure is None:
            self._failure = failure
            self._eventual.send(self._match)

    def _match(self) -> None:
        while self._waiting and (self._results or self._failure):
            waiter = self._waiting.popleft()
            if self._results:
                deliver(waiter, self._results.popleft())
                self._delivered()
            elif self._failure:
                deliver(waiter, self._failure)


def deliver(waiter: Deferred[T], result: T | Failure) -> None:
    """Fire `waiter`; every waiter gets a Failure of its own, since handling one clears it."""
    if isinstance(result, Failure):
        waiter.errback(result.value)
    else:
        waiter.callback(result)
