"""
Tests of the observer of the bounds.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_limits.fakes import BoundRecorder
from wormhole_limits.bounds import Bound, BoundObserver, contained_bounds


class _FailingObserver(BoundObserver):
    def bound_met(self, bound: Bound, block: int) -> None:
        raise RuntimeError("an observer that fails")


class ContainedBoundsTests(SynchronousTestCase):
    def test_report(self) -> None:
        """A report reaches the observer."""
        observer = BoundRecorder()
        contained_bounds(observer).bound_met(Bound.STORED, 7)
        self.assertEqual(observer.met, [(Bound.STORED, 7)])

    def test_exception(self) -> None:
        """What the observer raises is logged, and goes no further."""
        contained_bounds(_FailingObserver()).bound_met(Bound.DISK, 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_wrapped_once(self) -> None:
        """A contained observer is not wrapped again."""
        contained = contained_bounds(BoundObserver())
        self.assertIs(contained_bounds(contained), contained)
