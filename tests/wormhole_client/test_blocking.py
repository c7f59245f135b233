"""Tests of blocking work in a thread."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.blocking import run_blocking


class SlowPool(Clock):
    """A reactor whose thread pool keeps its work until the test runs it."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[Callable[[], None]] = []

    def getThreadPool(self) -> "SlowPool":  # noqa: N802 - Twisted's
        return self

    def callInThreadWithCallback(  # noqa: N802 - Twisted's
        self, on_result: Callable[[bool, Any], None], call: Callable[..., Any], *args: Any
    ) -> None:
        self.work.append(lambda: on_result(True, call(*args)))

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        call(*args)


class RunBlockingTests(SynchronousTestCase):
    def test_result(self) -> None:
        """The result is what the work returns."""
        reactor = SlowPool()
        running = Deferred.fromCoroutine(run_blocking(reactor, lambda stopped: [stopped()]))
        self.assertNoResult(running)
        reactor.work[0]()
        self.assertEqual(self.successResultOf(running), [False])

    def test_cancelled(self) -> None:
        """Work that is cancelled is told so, and its thread is waited for."""
        reactor = SlowPool()
        seen: list[bool] = []
        running = Deferred.fromCoroutine(
            run_blocking(reactor, lambda stopped: seen.append(stopped()))
        )
        running.cancel()
        self.assertNoResult(running)
        reactor.work[0]()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(seen, [True])
