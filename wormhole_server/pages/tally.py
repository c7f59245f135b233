"""
What happened in some time, in a handful of numbers. Pure.

Owns which numbers the status page is made of, and the rings that keep them for as long as it looks back.
Memory is fixed: a ring forgets its oldest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import attrs

from rendezvous.moods import Mood

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@attrs.frozen
class Tally:
    """
    What happened.

    :ivar outcomes: how many exchanges (mailboxes) ended how.
    :ivar sessions: pairs that the relay has served.
    :ivar relayed: bytes that it has handed on.
    """

    outcomes: Mapping[Mood, int] = attrs.field(factory=dict)
    sessions: int = 0
    relayed: int = 0

    @property
    def exchanges(self) -> int:
        """However they ended."""
        return sum(self.outcomes.values())

    def __add__(self, other: Tally) -> Tally:
        return self._with(other, 1)

    def __sub__(self, other: Tally) -> Tally:
        return self._with(other, -1)

    def _with(self, other: Tally, sign: int) -> Tally:
        outcomes = {
            mood: self.outcomes.get(mood, 0) + sign * other.outcomes.get(mood, 0) for mood in Mood
        }
        return Tally(
            outcomes,
            self.sessions + sign * other.sessions,
            self.relayed + sign * other.relayed,
        )


NOTHING = Tally()


@attrs.frozen
class Span:
    """
    A time in steps of one length, the oldest first; the last one is not over yet.

    :ivar steps: what happened in each; None where nobody was counting.
    """

    step_seconds: int
    steps: tuple[Tally | None, ...]

    @property
    def total(self) -> Tally:
        """All together."""
        return sum((step for step in self.steps if step is not None), NOTHING)


class Ring:
    """
    The latest steps of a span, by the clock: a step of an hour ends when the hour does.

    :param count: how many steps it looks back, the one that is not over included.
    """

    def __init__(self, step_seconds: int, count: int) -> None:
        self._step_seconds = step_seconds
        self._count = count
        self._steps: deque[Tally] = deque(maxlen=count)
        self._latest: int | None = None

    def add(self, now: float, tally: Tally) -> None:
        """It happened just now."""
        self._turn(now)
        self._steps[-1] += tally

    def span(self, now: float) -> Span:
        """What it has kept."""
        self._turn(now)
        before = (None,) * (self._count - len(self._steps))
        return Span(self._step_seconds, (*before, *self._steps))

    def _turn(self, now: float) -> None:
        step = int(now // self._step_seconds)
        if self._latest is None:
            self._steps.append(NOTHING)
            self._latest = step
        # A clock that is set back stays in its step until it has caught up; the new time counts if that
        # takes longer than all that is kept.
        if not self._latest - self._count < step <= self._latest:
            for _ in range(min(self._count, abs(step - self._latest))):
                self._steps.append(NOTHING)
            self._latest = step


class History:
    """What this process has counted: the last hour by the minute, the last day by the hour."""

    def __init__(self) -> None:
        self._counted = NOTHING
        self._minutes = Ring(MINUTE, 60)
        self._hours = Ring(HOUR, 24)

    def note(self, now: float, counted: Tally) -> None:
        """
        Keep what has been added since the last time.

        :param counted: everything since the process began.
        """
        news = counted - self._counted
        self._counted = counted
        self._minutes.add(now, news)
        self._hours.add(now, news)

    def minutes(self, now: float) -> Span:
        """The last hour."""
        return self._minutes.span(now)

    def hours(self, now: float) -> Span:
        """The last day."""
        return self._hours.span(now)
