"""Tests of the observers, and of the queue that calls applications."""

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.eventual import EventualQueue, OneShotObserver, SequenceObserver


class QueueTests(SynchronousTestCase):
    def test_later_and_in_order(self) -> None:
        """No call is made in this turn; calls that are queued meanwhile are made after those that wait."""
        clock = Clock()
        queue = EventualQueue(clock)
        seen: list[str] = []

        def first() -> None:
            seen.append("first")
            queue.send(lambda: seen.append("third"))

        queue.send(first)
        queue.send(lambda: seen.append("second"))
        self.assertEqual(seen, [])
        clock.advance(0)
        self.assertEqual(seen, ["first", "second", "third"])

    def test_a_mistake(self) -> None:
        """A callback that raises is logged and does not stop the next."""
        clock = Clock()
        queue = EventualQueue(clock)
        seen: list[str] = []

        def mistake() -> None:
            raise ZeroDivisionError

        queue.send(mistake)
        queue.send(lambda: seen.append("next"))
        clock.advance(0)
        self.assertEqual(seen, ["next"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_flush(self) -> None:
        """A flush fires when everything is called, what is queued meanwhile too; never at once."""
        clock = Clock()
        queue = EventualQueue(clock)
        seen: list[str] = []
        nothing = queue.flush()
        self.assertNoResult(nothing)
        clock.advance(0)
        self.successResultOf(nothing)
        queue.send(lambda: queue.send(lambda: seen.append("later")))
        first, second = queue.flush(), queue.flush()
        second.cancel()
        self.assertNoResult(first)
        clock.advance(0)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(seen, ["later"])
        self.assertEqual(clock.getDelayedCalls(), [])


class OneShotTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.observer = OneShotObserver[str](EventualQueue(self.clock))

    def test_before_and_after(self) -> None:
        """Whoever asks, before or after, gets the first result, each a Deferred of their own."""
        early, other = self.observer.when_fired(), self.observer.when_fired()
        self.assertNoResult(early)
        self.observer.fire("a")
        self.observer.fire("b")
        self.assertNoResult(early)
        late = self.observer.when_fired()
        self.clock.advance(0)
        early.addCallback(lambda _: self.fail_quietly())
        self.failureResultOf(early, ZeroDivisionError)
        self.assertEqual(self.successResultOf(other), "a")
        self.assertEqual(self.successResultOf(late), "a")

    def fail_quietly(self) -> None:
        raise ZeroDivisionError

    def test_failure(self) -> None:
        """A failure is delivered to each."""
        one = self.observer.when_fired()
        self.observer.fire(Failure(ValueError("no")))
        two = self.observer.when_fired()
        self.clock.advance(0)
        self.failureResultOf(one, ValueError)
        self.failureResultOf(two, ValueError)

    def test_cancelled(self) -> None:
        """A Deferred that was cancelled is not fired, even between the event and its delivery."""
        before, between = self.observer.when_fired(), self.observer.when_fired()
        before.cancel()
        self.observer.fire("a")
        between.cancel()
        self.clock.advance(0)
        self.failureResultOf(before, CancelledError)
        self.failureResultOf(between, CancelledError)


class SequenceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.delivered = 0
        self.observer = SequenceObserver[str](EventualQueue(self.clock), self.count)

    def count(self) -> None:
        self.delivered += 1

    def test_in_order(self) -> None:
        """The first to ask gets the first result, whichever comes first."""
        first = self.observer.when_next()
        self.observer.fire("a")
        self.observer.fire("b")
        self.assertNoResult(first)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(first), "a")
        self.assertEqual(self.delivered, 1)
        second = self.observer.when_next()
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(second), "b")
        self.assertEqual(self.delivered, 2)

    def test_failure_comes_last(self) -> None:
        """What was there before the failure is still delivered; then everybody gets it."""
        self.observer.fire("a")
        self.observer.fail(Failure(ValueError("first")))
        self.observer.fail(Failure(KeyError("second")))
        results = [self.observer.when_next() for _ in range(3)]
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(results[0]), "a")
        self.failureResultOf(results[1], ValueError)
        self.failureResultOf(results[2], ValueError)

    def test_cancelled(self) -> None:
        """A cancelled question does not swallow a result."""
        first, second = self.observer.when_next(), self.observer.when_next()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.observer.fire("a")
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(second), "a")
