"""Tests of `wormhole_server.shared`."""

from __future__ import annotations

import gc
import weakref

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.shared import Shared


class SharedTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A question whose answers the test gives."""
        self.clock = Clock()
        self.questions: list[Deferred[int]] = []
        self.shared = Shared(self.clock, self.ask, 2.0)

    def ask(self) -> Deferred[int]:
        """One more question."""
        self.questions.append(Deferred())
        return self.questions[-1]

    def test_one_question(self) -> None:
        """Who asks while a question is under way gets the same answer."""
        one, other = self.shared(), self.shared()
        self.assertEqual(len(self.questions), 1)
        self.questions[0].callback(5)
        self.assertEqual((self.successResultOf(one), self.successResultOf(other)), (5, 5))

    def test_asked_again(self) -> None:
        """After an answer, the next one to ask asks again."""
        self.successResultOf(self.answered(self.shared(), 1))
        again = self.shared()
        self.assertEqual(len(self.questions), 2)
        self.assertEqual(self.successResultOf(self.answered(again, 2)), 2)

    def answered(self, waiting: Deferred[int], answer: int) -> Deferred[int]:
        """Answer the latest question."""
        self.questions[-1].callback(answer)
        return waiting

    def test_failure(self) -> None:
        """What the question fails with, all fail with."""
        one, other = self.shared(), self.shared()
        self.questions[0].errback(ZeroDivisionError())
        self.failureResultOf(one, ZeroDivisionError)
        self.failureResultOf(other, ZeroDivisionError)

    def test_raises(self) -> None:
        """A question that cannot even be asked is one that failed."""

        def ask() -> Deferred[int]:
            raise ZeroDivisionError

        self.failureResultOf(Shared(self.clock, ask, 2.0)(), ZeroDivisionError)

    def test_patience(self) -> None:
        """Each waits for so long and no longer; the question is not asked again meanwhile."""
        early = self.shared()
        self.clock.advance(1.5)
        late = self.shared()
        self.clock.advance(0.5)
        self.failureResultOf(early, DeferredTimeout)
        self.assertNoResult(late)
        self.questions[0].callback(5)
        self.assertEqual(self.successResultOf(late), 5)
        self.assertEqual(len(self.questions), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hanging(self) -> None:
        """A question that hangs is the only one, however many time out over it."""
        for _ in range(5):
            waiting = self.shared()
            self.clock.advance(2)
            self.failureResultOf(waiting, DeferredTimeout)
        self.assertEqual(len(self.questions), 1)

    def test_forgotten(self) -> None:
        """Of who has given up on a question that hangs, nothing is kept."""
        waiting = self.shared()
        self.clock.advance(2)
        self.failureResultOf(waiting, DeferredTimeout)
        gone = weakref.ref(waiting)
        del waiting
        gc.collect()
        self.assertIsNone(gone())
        self.questions[0].callback(5)
