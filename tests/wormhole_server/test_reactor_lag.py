"""Tests of `wormhole_server.reactor_lag`."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.reactor_lag import ReactorLag


class ReactorLagTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A measure on a clock."""
        self.clock = Clock()
        self.lags: list[float] = []
        self.measure = ReactorLag(self.clock, self.lags.append)

    def test_on_time(self) -> None:
        """A reactor with nothing to do is on time, twice a second."""
        self.measure.start()
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.lags, [0, 0, 0, 0])

    def test_late(self) -> None:
        """A reactor that was busy is late by as much; that is over with the next turn."""
        self.measure.start()
        self.clock.advance(0.75)
        self.clock.advance(0.5)
        self.assertEqual(self.lags, [0.25, 0])

    def test_clock_set_back(self) -> None:
        """A clock that is set back is no negative lag."""
        self.measure.start()
        call: Any
        (call,) = self.clock.getDelayedCalls()
        self.clock.rightNow = -100
        call.func(*call.args)
        self.assertEqual(self.lags, [0])

    def test_stop(self) -> None:
        """Nothing is left of it when it is stopped, started or not."""
        self.measure.stop()
        self.measure.start()
        self.measure.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
