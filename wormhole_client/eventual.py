"""
Observers of events, and the queue that calls applications in a later turn of the reactor.

Any number of callers may wait for one event, each with a Deferred of its own. No callback of an
application runs inside a state machine, since the queue never calls at once.
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
    """Makes calls in the order in which they were queued, in the next turn of the reactor."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: deque[Callable[[], object]] = deque()
        self._flushing: list[Deferred[None]] = []
        self._scheduled = False

    def send(self, call: Callable[[], object]) -> None:
        """Queue a call. What it raises is logged."""
        self._calls.append(call)
        self._schedule()

    def flush(self) -> Deferred[None]:
        """
        Wait until nothing is queued, neither what is queued now nor what that queues.

        :return: fires in a later turn. It may be cancelled.
        """
        flushed: Deferred[None] = Deferred(self._flushing.remove)
        self._flushing.append(flushed)
        self._schedule()
        return flushed

    def _schedule(self) -> None:
        if (self._calls or self._flushing) and not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        for _ in range(len(self._calls)):
            call = self._calls.popleft()
            try:
                call()
            except Exception:  # the application's own; the calls behind it are still made
                self._log.failure("A callback of the application failed.")
        if not self._calls:
            flushing, self._flushing = self._flushing, []
            for flushed in flushing:
                flushed.callback(None)
        self._schedule()


class OneShotObserver(Generic[T]):
    """An event that happens once, or fails once. What is fired after that is ignored."""

    def __init__(self, eventual: EventualQueue) -> None:
        self._eventual = eventual
        self._result: list[T | Failure] = []
        self._waiting: list[Deferred[T]] = []

    def when_fired(self) -> Deferred[T]:
        """Wait for the event, which may have happened already."""
        waiter: Deferred[T] = Deferred(self._forget)
        self._waiting.append(waiter)
        if self._result:
            self._tell(waiter)
        return waiter

    def fire(self, result: T | Failure) -> None:
        """Let the event happen, or fail."""
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
    """A sequence of results: the first caller gets the first one. After a failure all get that."""

    def __init__(
        self, eventual: EventualQueue, delivered: Callable[[], object] = lambda: None
    ) -> None:
        self._eventual = eventual
        self._delivered = delivered
        self._results: deque[T] = deque()
        self._failure: Failure | None = None
        self._waiting: deque[Deferred[T]] = deque()

    def when_next(self) -> Deferred[T]:
        """Wait for the next result that no other caller is given."""
        waiter: Deferred[T] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        self._eventual.send(self._match)
        return waiter

    def fire(self, result: T) -> None:
        """Add a result."""
        self._results.append(result)
        self._eventual.send(self._match)

    def fail(self, failure: Failure) -> None:
        """End the sequence; results that were added before are still delivered."""
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
    """Fire a Deferred; each gets a Failure of its own, since handling one clears it."""
    if isinstance(result, Failure):
        waiter.errback(result.value)
    else:
        waiter.callback(result)
