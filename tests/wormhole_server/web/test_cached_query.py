"""Tests of `wormhole_server.web.cached_query`."""

from __future__ import annotations

import gc
import weakref

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.web.cached_query import CachedQuery


class CachedQueryTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a query that the test answers."""
        self.clock = Clock()
        self.queries: list[Deferred[int]] = []
        self.query = self.make()

    def make(self, fresh_seconds: float = 0.0) -> CachedQuery[int]:
        """Make a cached query."""
        return CachedQuery(self.clock, self.ask, timeout_seconds=2.0, fresh_seconds=fresh_seconds)

    def ask(self) -> Deferred[int]:
        """Note a query."""
        self.queries.append(Deferred())
        return self.queries[-1]

    def test_shared(self) -> None:
        """Callers share a query that is under way."""
        one, other = self.query(), self.query()
        self.assertEqual(len(self.queries), 1)
        self.queries[0].callback(5)
        self.assertEqual((self.successResultOf(one), self.successResultOf(other)), (5, 5))

    def test_asked_again(self) -> None:
        """An answer that is not kept is asked for again."""
        self.successResultOf(self.answered(self.query(), 1))
        again = self.query()
        self.assertEqual(len(self.queries), 2)
        self.assertEqual(self.successResultOf(self.answered(again, 2)), 2)

    def test_undelivered(self) -> None:
        """After an exception nobody foresaw the next caller asks anew."""
        deliver = self.query._deliver
        self.query._deliver = lambda _: 1 // 0  # type: ignore[assignment, method-assign]
        lost = self.query()
        self.queries[0].callback(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.query._deliver = deliver  # type: ignore[method-assign]
        again = self.query()
        self.assertEqual(len(self.queries), 2)
        self.assertEqual(self.successResultOf(self.answered(again, 2)), 2)
        self.successResultOf(lost)

    def answered(self, waiting: Deferred[int], answer: int) -> Deferred[int]:
        """Answer the latest query."""
        self.queries[-1].callback(answer)
        return waiting

    def test_failure(self) -> None:
        """Every caller gets the failure of the query."""
        one, other = self.query(), self.query()
        self.queries[0].errback(ZeroDivisionError())
        self.failureResultOf(one, ZeroDivisionError)
        self.failureResultOf(other, ZeroDivisionError)

    def test_raises(self) -> None:
        """A query that raises has failed."""

        def ask() -> Deferred[int]:
            raise ZeroDivisionError

        self.failureResultOf(
            CachedQuery(self.clock, ask, timeout_seconds=2.0, fresh_seconds=0.0)(),
            ZeroDivisionError,
        )

    def test_timeout(self) -> None:
        """Each caller waits for the same time; there is no other query meanwhile."""
        early = self.query()
        self.clock.advance(1.5)
        late = self.query()
        self.clock.advance(0.5)
        self.failureResultOf(early, DeferredTimeout)
        self.assertNoResult(late)
        self.queries[0].callback(5)
        self.assertEqual(self.successResultOf(late), 5)
        self.assertEqual(len(self.queries), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hanging(self) -> None:
        """A query that hangs is the only one, however many callers time out."""
        for _ in range(5):
            waiting = self.query()
            self.clock.advance(2)
            self.failureResultOf(waiting, DeferredTimeout)
        self.assertEqual(len(self.queries), 1)

    def test_forgotten(self) -> None:
        """Nothing is kept of callers that have timed out while a query hangs."""
        waiting = self.query()
        self.clock.advance(2)
        self.failureResultOf(waiting, DeferredTimeout)
        gone = weakref.ref(waiting)
        del waiting
        gc.collect()
        self.assertIsNone(gone())
        self.queries[0].callback(5)

    def test_fresh(self) -> None:
        """An answer is used while it is fresh, from the moment at which it arrived."""
        query = self.make(fresh_seconds=5.0)
        first = query()
        self.clock.advance(1.0)
        self.queries[0].callback(5)
        self.assertEqual(self.successResultOf(first), 5)
        self.clock.advance(4.9)
        self.assertEqual(self.successResultOf(query()), 5)
        self.clock.advance(0.1)
        again = query()
        self.queries[1].callback(6)
        self.assertEqual(self.successResultOf(again), 6)

    def test_late_answer(self) -> None:
        """An answer that came too late for its callers is used for later ones."""
        query = self.make(fresh_seconds=5.0)
        waiting = query()
        self.clock.advance(2.0)
        self.failureResultOf(waiting, DeferredTimeout)
        self.queries[0].callback(5)
        self.assertEqual(self.successResultOf(query()), 5)

    def test_failure_not_kept(self) -> None:
        """After a failure there is another query."""
        query = self.make(fresh_seconds=5.0)
        waiting = query()
        self.queries[0].errback(ZeroDivisionError())
        self.failureResultOf(waiting, ZeroDivisionError)
        query()
        self.assertEqual(len(self.queries), 2)
