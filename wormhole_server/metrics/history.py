"""
The history of the status page: what happened in the last hour by the minute, in the last day by the hour.
No I/O.

Owns which numbers the page is made of, and the buffers that keep them. Memory is bounded: a buffer drops its
oldest step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs

from rendezvous.protocol.moods import Mood
from wormhole_limits.bounds import Bound

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@attrs.frozen
class Tally:
    """
    What happened in some time.

    :ivar outcomes: exchanges (mailboxes) that ended, by mood.
    :ivar sessions: relay sessions (pairs) that ended.
    :ivar relayed: bytes relayed.
    :ivar bounds: how often clients met a bound.
    """

    outcomes: Mapping[Mood, int] = attrs.field(factory=dict)
    sessions: int = 0
    relayed: int = 0
    bounds: Mapping[Bound, int] = attrs.field(factory=dict)

    @property
    def exchanges(self) -> int:
        """How many exchanges ended, whatever their mood."""
        return sum(self.outcomes.values())

    def __add__(self, other: Tally) -> Tally:
        return self._combine(other, 1)

    def __sub__(self, other: Tally) -> Tally:
        return self._combine(other, -1)

    def _combine(self, other: Tally, sign: int) -> Tally:
        outcomes = {
            mood: self.outcomes.get(mood, 0) + sign * other.outcomes.get(mood, 0) for mood in Mood
        }
        return Tally(
            outcomes,
            self.sessions + sign * other.sessions,
            self.relayed + sign * other.relayed,
            {
                bound: self.bounds.get(bound, 0) + sign * other.bounds.get(bound, 0)
                for bound in Bound
            },
        )


@attrs.frozen
class TimeSeries:
    """
    Tallies of consecutive steps of one length, oldest first; the last step is not over yet.

    :ivar steps: None for a step in which this process did not run.
    """

    step_seconds: int
    steps: tuple[Tally | None, ...]

    @property
    def total(self) -> Tally:
        """The sum of all steps."""
        return sum((step for step in self.steps if step is not None), Tally())


class RingBuffer:
    """
    Keeps the latest steps. Steps follow the time of day: one of an hour ends when the hour does.

    :param count: how many steps to keep, the one that is not over included.
    """

    def __init__(self, step_seconds: int, count: int) -> None:
        self._step_seconds = step_seconds
        self._count = count
        self._steps: deque[Tally] = deque(maxlen=count)
        self._latest: int | None = None

    def add(self, now: float, tally: Tally) -> None:
        """Add what has just happened; `now` is in seconds since the epoch."""
        self._advance(now)
        self._steps[-1] += tally

    def series(self, now: float) -> TimeSeries:
        """Return the steps up to `now`, in seconds since the epoch."""
        self._advance(now)
        before = (None,) * (self._count - len(self._steps))
        return TimeSeries(self._step_seconds, (*before, *self._steps))

    def _advance(self, now: float) -> None:
        step = int(now // self._step_seconds)
        if self._latest is None:
            self._steps.append(Tally())
            self._latest = step
        # After a clock was set back the step stays the same until the clock has caught up. Where that would
        # take longer than all that is kept, the new time counts.
        if not self._latest - self._count < step <= self._latest:
            for _ in range(min(self._count, abs(step - self._latest))):
                self._steps.append(Tally())
            self._latest = step


class History:
    """What this process has counted: the last hour by the minute, the last day by the hour."""

    def __init__(self) -> None:
        self._counted = Tally()
        self._minutes = RingBuffer(MINUTE, 60)
        self._hours = RingBuffer(HOUR, 24)

    def record(self, now: float, counted: Tally) -> None:
        """
        Add what has been counted since the last call.

        :param now: seconds since the epoch.
        :param counted: everything since the process began.
        """
        added = counted - self._counted
        self._counted = counted
        self._minutes.add(now, added)
        self._hours.add(now, added)

    def minutes(self, now: float) -> TimeSeries:
        """Return the last hour; `now` is in seconds since the epoch."""
        return self._minutes.series(now)

    def hours(self, now: float) -> TimeSeries:
        """Return the last day; `now` is in seconds since the epoch."""
        return self._hours.series(now)
