"""Tests of `wormhole_server.metrics.bounds`."""

from __future__ import annotations

from twisted.internet.task import Clock

from tests.wormhole_server.logs import LogCase
from tests.wormhole_server.metrics.support import MetricsCase
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.bounds import BoundLog


class BoundMetricsTests(MetricsCase):
    def test_met(self) -> None:
        """What clients meet is counted by bound; all bounds exist from the start."""
        self.metrics.bounds.bound_met(Bound.STORED, 7)
        for bound in Bound:
            counted = self.value("process_bounds_met_total", bound=bound.value)
            self.assertEqual(counted, bound is Bound.STORED)
            self.assertEqual(self.metrics.bounds.counts()[bound], counted)


class BoundLogTests(LogCase):
    def setUp(self) -> None:
        """A log that runs."""
        super().setUp()
        self.counts = dict.fromkeys(Bound, 0)
        self.clock = Clock()
        self.log = BoundLog(self.clock, lambda: self.counts)
        self.log.startService()

    def test_nothing_met(self) -> None:
        """Nothing is logged as long as no bound is met."""
        self.clock.pump([60.0] * 120)
        self.assertEqual(self.logged(), [])

    def test_one_line_an_hour_and_bound(self) -> None:
        """The first line comes within a minute; what follows is summed up an hour later."""
        for _ in range(119):
            self.counts[Bound.STORED] += 2
            self.clock.advance(60.0)
        first, second = self.logged()
        self.assertIn("stored 2 times", first)
        self.assertIn("stored 120 times", second)

    def test_bounds_apart(self) -> None:
        """A line about one bound does not delay the line about another."""
        self.counts[Bound.STORED] = 1
        self.clock.advance(60.0)
        self.counts[Bound.GUESSES] = 1
        self.clock.advance(60.0)
        self.assertEqual(len(self.logged()), 2)

    def test_last_count(self) -> None:
        """What was met within an hour after a line is logged at its end, even if it has stopped."""
        self.counts[Bound.DISK] = 1
        self.clock.advance(60.0)
        self.counts[Bound.DISK] = 4
        self.clock.pump([60.0] * 60)
        self.assertIn("disk 3 times", self.logged()[1])
