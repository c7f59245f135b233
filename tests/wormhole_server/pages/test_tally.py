"""Tests of `wormhole_server.pages.tally`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.moods import Mood
from wormhole_server.pages.tally import HOUR, MINUTE, NOTHING, History, Ring, Tally


def some(sessions: int) -> Tally:
    """A tally that can be told from others."""
    return Tally({}, sessions, 10 * sessions)


def sessions(ring: Ring, now: float) -> list[int | None]:
    """Of each step that a ring has kept."""
    return [None if step is None else step.sessions for step in ring.span(now).steps]


class TallyTests(SynchronousTestCase):
    def test_arithmetic(self) -> None:
        """Tallies add up and are told apart, outcome by outcome."""
        one = Tally({Mood.HAPPY: 2, Mood.SCARY: 1}, 1, 100)
        both = one + Tally({Mood.HAPPY: 3}, 4, 50)
        self.assertEqual((both.exchanges, both.sessions, both.relayed), (6, 5, 150))
        self.assertEqual(both.outcomes[Mood.HAPPY], 5)
        back = both - one
        self.assertEqual((back.exchanges, back.sessions, back.relayed), (3, 4, 50))
        self.assertEqual(back.outcomes[Mood.SCARY], 0)


class RingTests(SynchronousTestCase):
    def test_steps(self) -> None:
        """What happens counts for the step that the clock shows; what nobody saw is not known."""
        ring = Ring(60, 4)
        ring.add(30.0, some(1))
        ring.add(59.0, some(2))
        ring.add(60.0, some(4))
        self.assertEqual(sessions(ring, 60.0), [None, None, 3, 4])
        self.assertEqual(sessions(ring, 185.0), [3, 4, 0, 0])
        self.assertEqual(ring.span(185.0).total.sessions, 7)

    def test_forgets(self) -> None:
        """A step that is older than the ring looks back is forgotten."""
        ring = Ring(60, 3)
        ring.add(0.0, some(1))
        self.assertEqual(sessions(ring, 121.0), [1, 0, 0])
        self.assertEqual(sessions(ring, 181.0), [0, 0, 0])
        ring.add(1e9, some(2))
        self.assertEqual(sessions(ring, 1e9), [0, 0, 2])

    def test_clock_set_back(self) -> None:
        """A clock that is set back a little goes on in its step; by a lot, it begins anew."""
        ring = Ring(60, 3)
        ring.add(1000.0, some(1))
        ring.add(930.0, some(2))
        self.assertEqual(sessions(ring, 1000.0), [None, None, 3])
        ring.add(100.0, some(4))
        self.assertEqual(sessions(ring, 100.0), [0, 0, 4])
        ring.add(160.0, some(8))
        self.assertEqual(sessions(ring, 160.0), [0, 4, 8])

    @given(st.lists(st.floats(0, 1e6), max_size=50))
    def test_any_times(self, times: list[float]) -> None:
        """However the clock runs, there are as many steps as there should be, and nothing is doubled."""
        ring = Ring(60, 5)
        for time in times:
            ring.add(time, some(1))
            self.assertEqual(len(ring.span(time).steps), 5)
            self.assertLessEqual(ring.span(time).total.sessions, len(times))


class HistoryTests(SynchronousTestCase):
    def test_counters(self) -> None:
        """Of counters that only grow, what was added counts."""
        history = History()
        history.note(10.0, some(0))
        history.note(70.0, some(5))
        history.note(80.0, some(7))
        self.assertEqual(history.minutes(80.0).steps[-2:], (NOTHING + NOTHING, NOTHING + some(7)))
        self.assertEqual(history.hours(80.0).steps[-1], NOTHING + some(7))
        self.assertEqual(history.minutes(80.0).step_seconds, MINUTE)
        self.assertEqual(history.hours(80.0).step_seconds, HOUR)
