"""Makes the scheduler of a server under test."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from wormhole_limits.bounds import BoundObserver
from wormhole_limits.scheduler import Scheduler


def make_scheduler(clock: IReactorTime) -> Scheduler:
    """Make a scheduler that nobody observes."""
    return Scheduler(clock, BoundObserver())
