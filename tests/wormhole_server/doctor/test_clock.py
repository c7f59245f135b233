"""Tests of `wormhole_server.doctor.clock`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import levels, make_target
from wormhole_server.doctor import clock
from wormhole_server.doctor.clock import check_clock, judge_clock
from wormhole_server.doctor.finding import Level


class JudgeTests(SynchronousTestCase):
    def test_levels(self) -> None:
        """A few seconds are a warning, a minute is a failure, in either direction."""
        for ahead, level in (
            (1.0, Level.OK),
            (-2.0, Level.OK),
            (-5.0, Level.WARNING),
            (30.0, Level.WARNING),
            (-61.0, Level.FAILURE),
        ):
            self.assertEqual(judge_clock("clock", ahead, tolerance=2.0).level, level)

    def test_direction(self) -> None:
        """The finding says which clock is ahead."""
        self.assertIn("5 s behind", judge_clock("clock", -5.0, tolerance=2.0).text)
        self.assertIn("5 s ahead", judge_clock("clock", 5.0, tolerance=2.0).text)


class KernelTests(SynchronousTestCase):
    def test_states(self) -> None:
        """A clock that is not synchronized is a warning; an unknown state is no finding."""
        for state, found in (
            (5, {"clock": Level.WARNING}),
            (0, {"clock": Level.OK}),
            (-1, {}),
            (None, {}),
        ):
            self.patch(clock, "_state", lambda state=state: state)
            self.assertEqual(levels(check_clock(make_target())), found)

    def test_kernel(self) -> None:
        """The kernel's answer is one of its clock states, or an error."""
        self.assertIn(clock._state(), {None, -1, 0, 1, 2, 3, 4, 5})
