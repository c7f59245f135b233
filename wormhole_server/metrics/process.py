"""
Metrics of the process: what the kernel reports about it, how late its reactor runs timers, and the exceptions
in its log.

Owns these series, the timer that measures the second, and the observer of the log.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, ProcessCollector
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, LogPublisher
from zope.interface import implementer

from wormhole_server.metrics.series import Series
from wormhole_twisted.timer import RepeatingTimer

# From what nobody notices to what makes clients give up.
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# Often enough to see a stall of half a second, rarely enough to cost nothing.
_LAG_INTERVAL_SECONDS = 0.5


class ProcessMetrics:
    """
    The metrics of the process.

    :ivar reactor_lag_seconds: observes how late a timer ran.
    """

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        # CPU, memory, file descriptors and their limit, and the start time.
        ProcessCollector(namespace="wormhole", registry=registry)
        series = Series(registry, "wormhole_process")
        self.reactor_lag_seconds = series.histogram(
            "reactor_lag_seconds",
            "How late a timer ran: the time that an event waits for the ones before it.",
            _LAG_SECONDS,
        )
        self._lost_usage = series.counter(
            "lost_usage_records", "Usage records of the relay that could not be written."
        )
        self._lost_log = series.counter(
            "lost_log_lines", "Lines of the log that were lost, because nothing read them."
        )
        self._internal_errors = series.counter(
            "internal_errors",
            "Unexpected exceptions anywhere in the process, those of the rendezvous server and the relay "
            "included; the log has a traceback of each.",
        )
        series.gauge("info", "Always 1; the label is the version.", ["version"]).labels(
            version
        ).set(1)

    def usage_lost(self, records: int) -> None:
        """Count usage records that could not be written."""
        self._lost_usage.inc(records)

    def log_lost(self, lines: int) -> None:
        """Count lines of the log that could not be written."""
        self._lost_log.inc(lines)

    def internal_error(self) -> None:
        """Count an exception that was logged."""
        self._internal_errors.inc()


@implementer(ILogObserver)
class LoggedExceptions(Service):
    """
    Counts the exceptions that any part of the process logs, Twisted's included, while the service runs.

    :param count: called for each of them, in any thread.
    """

    def __init__(self, publisher: LogPublisher, count: Callable[[], None]) -> None:
        self._publisher = publisher
        self._count = count

    def startService(self) -> None:
        """Begin to count."""
        super().startService()  # type: ignore[no-untyped-call]
        self._publisher.addObserver(self)

    def stopService(self) -> None:
        """Count no longer."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._publisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        """Count an event that has an exception; those of Twisted's older log have it elsewhere."""
        if event.get("log_failure") is not None or event.get("failure") is not None:
            self._count()


class ReactorLag(RepeatingTimer):
    """
    Measures how late the reactor runs a timer: the time that an event waits for the ones before it.

    :param observe: called with the lag in seconds, twice a second.
    """

    def __init__(self, clock: IReactorTime, observe: Callable[[float], None]) -> None:
        super().__init__(clock, _LAG_INTERVAL_SECONDS, self._measure)
        self._observe = observe
        self._due = 0.0

    def startService(self) -> None:
        """Start the first interval."""
        self._due = self._clock.seconds() + _LAG_INTERVAL_SECONDS
        super().startService()

    def _measure(self) -> None:
        now = self._clock.seconds()
        self._due, due = now + _LAG_INTERVAL_SECONDS, self._due
        # A timer may be early by as much as the system rounds.
        self._observe(max(0.0, now - due))
