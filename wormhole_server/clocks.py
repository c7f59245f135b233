"""
Two clocks. The one that timers run by, and that durations are measured with, never jumps; the one of the
day is for what is written down.

Owns which is which. Twisted's reactor has but one, the clock of the day: set forward by a day it would
fire every timer at once, set back by a day it would fire none for a day.

A composition root: it takes the process's clocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


class Steady:
    """
    Seconds that never jump: those since the epoch at the start, and from there on as they pass.

    They begin with the epoch so that timers which were set before stay where they are.
    """

    def __init__(self, day: Callable[[], float], steady: Callable[[], float]) -> None:
        self._steady = steady
        self._ahead = day() - steady()

    def __call__(self) -> float:
        """The seconds."""
        return self._steady() + self._ahead


def keep_steady(reactor: ReactorBase) -> None:
    """Let the reactor's timers run by a clock that never jumps."""
    if not isinstance(reactor.seconds, Steady):
        steady: Any = Steady(time.time, time.monotonic)  # noqa: TID251 - they are handed out here
        reactor.seconds = steady


@implementer(IReactorTime)
class ClockOfDay:
    """
    The time of day, with the timers of a reactor.

    :param day: seconds since the epoch, as the machine has them now.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        day: Callable[[], float] = time.time,  # noqa: TID251 - as above
    ) -> None:
        self._reactor = reactor
        self._day = day

    def seconds(self) -> float:
        """Seconds since the epoch. They may jump: no duration is measured with them."""
        return self._day()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002 - IReactorTime prescribes it
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        """The reactor's."""
        return self._reactor.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Any:  # noqa: N802 - as above
        """The reactor's."""
        return self._reactor.getDelayedCalls()

    def ahead(self) -> float:
        """How far it has moved away from the reactor's clock; to be added to a time of that."""
        return self._day() - self._reactor.seconds()
