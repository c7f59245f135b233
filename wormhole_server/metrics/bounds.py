"""
Metrics of bounds: how often clients were slowed, refused or dropped at which, and the log of that.

Owns the series, and that the log has at most one line an hour and bound. Neither says whose it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wormhole_limits.bounds import Bound, BoundObserver
from wormhole_server.metrics.series import Series, count_of
from wormhole_twisted.timer import RepeatingTimer

_log = Logger()

# An operator who tries a setting waits no longer than this for its line.
_CHECK_SECONDS = 60.0
_QUIET_SECONDS = 3600.0


class BoundMetrics(BoundObserver):
    """Counts the bounds that clients meet."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._met = Series(registry, "wormhole_process").by(
            "bounds_met",
            "Times that a client was slowed, refused or dropped at a bound, by bound; docs/abuse.md "
            "describes each.",
            "bound",
            Bound,
        )

    def bound_met(self, bound: Bound, block: int) -> None:  # noqa: ARG002 - never shown
        self._met[bound].inc()

    def counts(self) -> dict[Bound, int]:
        """Return how often each bound was met since the process began."""
        return {bound: count_of(counter) for bound, counter in self._met.items()}


class BoundLog(RepeatingTimer):
    """
    Logs which bounds were met, and how often: for each bound at most one line an hour.

    :param counts: returns how often each was met since the process began.
    """

    def __init__(self, clock: IReactorTime, counts: Callable[[], Mapping[Bound, int]]) -> None:
        super().__init__(clock, _CHECK_SECONDS, self._check)
        self._counts = counts
        self._last = dict(counts())
        self._quiet_until: dict[Bound, float] = {}

    def _check(self) -> None:
        now = self._clock.seconds()
        for bound, count in self._counts().items():
            new = count - self._last[bound]
            if new and now >= self._quiet_until.get(bound, now):
                self._last[bound] = count
                self._quiet_until[bound] = now + _QUIET_SECONDS
                _log.warn(
                    "Bounds: clients met {bound} {new} times since the last line about it, if there "
                    "was one. docs/abuse.md says what it is and what to do.",
                    bound=bound.value,
                    new=new,
                )
