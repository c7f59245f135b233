"""
Tests of the repeating timer.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_twisted.timer import RepeatingTimer


class RepeatingTimerTests(SynchronousTestCase):
    """A timer of ten seconds on a clock that the test turns."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls: list[float] = []
        self.fails = False
        self.failures = 0
        self.under_way: Deferred[None] | None = None
        self.timer = RepeatingTimer(self.clock, 10.0, self._call, self._count)

    def _call(self) -> Deferred[None] | None:
        self.calls.append(self.clock.seconds())
        if self.fails:
            raise ValueError("nobody foresaw this")
        return self.under_way

    def _count(self) -> None:
        self.failures += 1

    def test_interval(self) -> None:
        """The first call comes after one interval, the next after another."""
        self.timer.startService()
        self.clock.pump([9.0, 1.0, 9.0, 1.0])
        self.assertEqual(self.calls, [10.0, 20.0])

    def test_stopped(self) -> None:
        """A timer that was stopped leaves nothing on the clock, and can be started again."""
        self.timer.startService()
        self.clock.advance(10)
        self.timer.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.timer.startService()
        self.clock.advance(10)
        self.assertEqual(self.calls, [10.0, 20.0])

    def test_stopped_by_its_call(self) -> None:
        """A call may stop the timer that makes it."""

        def stop() -> None:
            timer.stopService()

        timer = RepeatingTimer(self.clock, 10.0, stop)
        timer.startService()
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_exception(self) -> None:
        """Exceptions are counted each, logged once until a call succeeds, and do not stop the timer."""
        self.fails = True
        self.timer.startService()
        self.clock.pump([10.0, 10.0])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.fails = False
        self.clock.advance(10)
        self.fails = True
        self.clock.advance(10)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(len(self.calls), 4)
        self.assertEqual(self.failures, 3)

    def test_counter_fails(self) -> None:
        """A counter that raises stops nothing either."""
        timer = RepeatingTimer(self.clock, 10.0, self._call, lambda: self.fail("counter"))
        self.fails = True
        timer.startService()
        self.clock.pump([10.0, 10.0])
        self.assertEqual(len(self.calls), 2)
        self.assertEqual(len(self.flushLoggedErrors(self.failureException)), 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_deferred(self) -> None:
        """Calls that take time do not overlap: the interval begins when one has ended."""
        self.under_way = Deferred()
        self.timer.startService()
        self.clock.pump([10.0, 10.0])
        self.assertEqual(self.calls, [10.0])
        under_way, self.under_way = self.under_way, None
        under_way.callback(None)
        self.clock.advance(10)
        self.assertEqual(self.calls, [10.0, 30.0])

    def test_deferred_fails(self) -> None:
        """A Deferred that fails counts as an exception of the call."""
        self.under_way = Deferred()
        self.timer.startService()
        self.clock.advance(10)
        self.under_way.errback(ValueError("later"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.failures, 1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_cancelled(self) -> None:
        """Stopping cancels the call that is under way, and that is no failure."""
        self.under_way = Deferred()
        self.timer.startService()
        self.clock.advance(10)
        self.timer.stopService()
        self.assertTrue(self.under_way.called)
        self.assertEqual(self.failures, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never(self) -> None:
        """An interval of zero makes no call, until it is changed."""
        timer = RepeatingTimer(self.clock, 0.0, self._call)
        timer.startService()
        self.clock.advance(100)
        self.assertEqual(self.calls, [])
        timer.change_interval(5.0)
        self.clock.advance(5)
        self.assertEqual(self.calls, [105.0])

    def test_changed(self) -> None:
        """Another interval begins at once; the same one changes nothing."""
        self.timer.startService()
        self.clock.advance(6)
        self.timer.change_interval(10.0)
        self.clock.advance(4)
        self.timer.change_interval(3.0)
        self.clock.advance(3)
        self.assertEqual(self.calls, [10.0, 13.0])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_changed_while_a_call_is_under_way(self) -> None:
        """The new interval begins at the end of the call, once."""
        self.under_way = Deferred()
        self.timer.startService()
        self.clock.advance(10)
        self.timer.change_interval(3.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        under_way, self.under_way = self.under_way, None
        under_way.callback(None)
        self.clock.advance(3)
        self.assertEqual(self.calls, [10.0, 13.0])
