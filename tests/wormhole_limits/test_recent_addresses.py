"""Tests of `wormhole_limits.recent_addresses`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_limits.fakes import BoundRecorder
from wormhole_limits.bounds import Bound
from wormhole_limits.recent_addresses import KnownAddresses, RecentAddresses

HOUR = 3600.0


class RecentAddressesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Room for three addresses."""
        self.clock = Clock()
        self.passed = BoundRecorder()
        self.recent = RecentAddresses(self.clock.seconds, self.passed, 3)

    def remembered(self) -> list[int]:
        """Which of the addresses 0 to 9 have met a bound lately."""
        return [block for block in range(10) if self.recent.met_lately(block)]

    def test_hour(self) -> None:
        """An address is remembered for an hour after it has met a bound last."""
        self.recent.bound_met(Bound.STORED, 7)
        self.clock.advance(HOUR - 1)
        self.recent.bound_met(Bound.WORK, 8)
        self.assertEqual(self.remembered(), [7, 8])
        self.recent.bound_met(Bound.WORK, 8)
        self.clock.advance(1)
        self.assertEqual(self.remembered(), [8])
        self.clock.advance(HOUR - 1)
        self.assertEqual(self.remembered(), [])

    def test_passed_on(self) -> None:
        """Every report is passed on."""
        reports = [(bound, block) for bound in Bound for block in (0, 7)]
        for report in reports:
            self.recent.bound_met(*report)
        self.assertEqual(self.passed.met, reports)

    def test_not_for_taking(self) -> None:
        """Who is refused for what it has not brought, or for what others take, is not remembered."""
        for bound in (Bound.PERMISSION, Bound.DENIED, Bound.DISK, Bound.RELAY_STRANGER):
            self.recent.bound_met(bound, 7)
        self.recent.bound_met(Bound.WORK, 0)
        self.assertEqual(self.remembered(), [])

    def test_most(self) -> None:
        """Of more addresses than there is room for, those are forgotten that met a bound the longest ago."""
        for block in (1, 2, 3, 1, 4, 5):
            self.recent.bound_met(Bound.GUESSES, block)
            self.clock.advance(1)
        self.assertEqual(self.remembered(), [1, 4, 5])

    def test_none_for_ever(self) -> None:
        """After an hour fewer new addresses than there were old ones have them forgotten."""
        for block in (1, 2, 3):
            self.recent.bound_met(Bound.GUESSES, block)
        self.clock.advance(HOUR)
        for block in (4, 5):
            self.recent.bound_met(Bound.GUESSES, block)
        self.assertEqual(list(self.recent._met), [4, 5])

    @given(
        st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 1.0, 1000.0, 3599.0, 3600.0])))
    )
    def test_as_a_list(self, reports: list[tuple[int, float]]) -> None:
        """The memory is bounded, and agrees with a list of all reports that looks for the newest ones."""
        clock = Clock()
        recent = RecentAddresses(clock.seconds, BoundRecorder(), 3)
        all_met: dict[int, float] = {}
        for block, pause in reports:
            recent.bound_met(Bound.STORED, block)
            if block:
                all_met.pop(block, None)
                all_met[block] = clock.seconds()
            self.assertLessEqual(len(recent._met), 3)
            clock.advance(pause)
            newest = list(all_met)[-3:]
            for each in range(10):
                expected = each in newest and all_met[each] > clock.seconds() - HOUR
                self.assertEqual(recent.met_lately(each), expected)


class KnownAddressesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Room for three addresses that have left."""
        self.clock = Clock()
        self.known = KnownAddresses(self.clock.seconds, 3)

    def test_connected(self) -> None:
        """An address is known while it has a client, and for an hour after the last has left."""
        self.assertFalse(self.known.is_known(7))
        for _ in range(2):
            self.known.connected(7)
        self.known.disconnected(7)
        self.clock.advance(10 * HOUR)
        self.assertTrue(self.known.is_known(7))
        self.known.disconnected(7)
        self.clock.advance(HOUR - 1)
        self.assertTrue(self.known.is_known(7))
        self.clock.advance(1)
        self.assertFalse(self.known.is_known(7))

    def test_room(self) -> None:
        """Of too many that have left, those that left first are forgotten; none is kept for ever."""
        for block in range(1, 5):
            self.known.connected(block)
            self.known.disconnected(block)
        self.assertEqual(
            [self.known.is_known(block) for block in range(1, 5)], [False, True, True, True]
        )
        self.clock.advance(HOUR)
        for block in (10, 11):  # fewer than there were
            self.known.connected(block)
            self.known.disconnected(block)
        self.assertEqual(list(self.known._left), [10, 11])

    @given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.floats(0, HOUR))))
    def test_model(self, steps: list[tuple[int, bool, float]]) -> None:
        """It agrees with a list of all visits."""
        self.clock = Clock()
        self.known = KnownAddresses(self.clock.seconds)
        here: list[int] = []
        left: dict[int, float] = {}
        for block, arrives, seconds in steps:
            if arrives:
                self.known.connected(block)
                here.append(block)
            elif block in here:
                self.known.disconnected(block)
                here.remove(block)
                left[block] = self.clock.seconds()
            self.clock.advance(seconds)
            for each in range(5):
                lately = each in left and left[each] > self.clock.seconds() - HOUR
                self.assertEqual(self.known.is_known(each), each in here or lately)
