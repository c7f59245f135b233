"""Tests of `wormhole_server.metrics.history`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol.moods import Mood
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.history import DAY, HOUR, MINUTE, History, RingBuffer, Tally


def some(sessions: int) -> Tally:
    """Return a tally that differs from others."""
    return Tally({}, sessions, 10 * sessions)


def sessions(buffer: RingBuffer, now: float) -> list[int | None]:
    """Return the sessions of each step that a buffer has kept."""
    return [None if step is None else step.sessions for step in buffer.series(now).steps]


class TallyTests(SynchronousTestCase):
    def test_arithmetic(self) -> None:
        """Tallies are added and subtracted outcome by outcome."""
        one = Tally({Mood.HAPPY: 2, Mood.SCARY: 1}, 1, 100, {Bound.DISK: 7})
        both = one + Tally({Mood.HAPPY: 3}, 4, 50, {Bound.WORK: 1})
        self.assertEqual((both.bounds[Bound.DISK], both.bounds[Bound.WORK]), (7, 1))
        self.assertEqual((both - one).bounds[Bound.DISK], 0)
        self.assertEqual((both.exchanges, both.sessions, both.relayed), (6, 5, 150))
        self.assertEqual(both.outcomes[Mood.HAPPY], 5)
        back = both - one
        self.assertEqual((back.exchanges, back.sessions, back.relayed), (3, 4, 50))
        self.assertEqual(back.outcomes[Mood.SCARY], 0)


class RingBufferTests(SynchronousTestCase):
    def test_steps(self) -> None:
        """A tally counts for the step of its time; steps before the first one are unknown."""
        buffer = RingBuffer(60, 4)
        buffer.add(30.0, some(1))
        buffer.add(59.0, some(2))
        buffer.add(60.0, some(4))
        self.assertEqual(sessions(buffer, 60.0), [None, None, 3, 4])
        self.assertEqual(sessions(buffer, 185.0), [3, 4, 0, 0])
        self.assertEqual(buffer.series(185.0).total.sessions, 7)

    def test_forgets(self) -> None:
        """The oldest step is dropped."""
        buffer = RingBuffer(60, 3)
        buffer.add(0.0, some(1))
        self.assertEqual(sessions(buffer, 121.0), [1, 0, 0])
        self.assertEqual(sessions(buffer, 181.0), [0, 0, 0])
        buffer.add(1e9, some(2))
        self.assertEqual(sessions(buffer, 1e9), [0, 0, 2])

    def test_clock_set_back(self) -> None:
        """After a clock was set back a little the step stays the same; after more, the new time counts."""
        buffer = RingBuffer(60, 3)
        buffer.add(1000.0, some(1))
        buffer.add(930.0, some(2))
        self.assertEqual(sessions(buffer, 1000.0), [None, None, 3])
        buffer.add(100.0, some(4))
        self.assertEqual(sessions(buffer, 100.0), [0, 0, 4])
        buffer.add(160.0, some(8))
        self.assertEqual(sessions(buffer, 160.0), [0, 4, 8])

    def test_clock_set_back_by_all(self) -> None:
        """A clock that is set back by all that is kept starts a new step; by one step less, it does not."""
        for seconds, expected in ((180.0, [0, 0, 2]), (120.0, [None, None, 3])):
            buffer = RingBuffer(60, 3)
            buffer.add(1000.0, some(1))
            buffer.add(1000.0 - seconds, some(2))
            self.assertEqual(sessions(buffer, 1000.0 - seconds), expected)

    @given(st.lists(st.floats(0, 1e6), max_size=50))
    def test_any_times(self, times: list[float]) -> None:
        """However the clock runs, the number of steps is the same and nothing counts twice."""
        buffer = RingBuffer(60, 5)
        for time in times:
            buffer.add(time, some(1))
            self.assertEqual(len(buffer.series(time).steps), 5)
            self.assertLessEqual(buffer.series(time).total.sessions, len(times))


class HistoryTests(SynchronousTestCase):
    def test_lengths(self) -> None:
        """An hour has 60 minutes, and a day 24 hours."""
        history = History()
        for series, step_seconds, steps in (
            (history.minutes(0.0), 60, 60),
            (history.hours(0.0), 3600, 24),
        ):
            self.assertEqual((series.step_seconds, len(series.steps)), (step_seconds, steps))
        self.assertEqual(DAY, 86400)

    def test_counters(self) -> None:
        """Each step has what was added to the counters meanwhile."""
        history = History()
        history.record(10.0, some(0))
        history.record(70.0, some(5))
        history.record(80.0, some(7))
        self.assertEqual(history.minutes(80.0).steps[-2:], (Tally() + Tally(), Tally() + some(7)))
        self.assertEqual(history.hours(80.0).steps[-1], Tally() + some(7))
        self.assertEqual(history.minutes(80.0).step_seconds, MINUTE)
        self.assertEqual(history.hours(80.0).step_seconds, HOUR)
