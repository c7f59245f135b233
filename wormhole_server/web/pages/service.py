"""
The pages as a service: which page stands where, and the timer that samples the counters for the history.

Owns the history of this process. The figures come from a `PagesSource`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from wormhole_server.metrics.history import History, Tally
from wormhole_server.web.pages.assets import hashes
from wormhole_server.web.pages.client_page import WebClient
from wormhole_server.web.pages.home import Home, HomeSource
from wormhole_server.web.pages.recent_days import DailyTallies, RecentDays
from wormhole_server.web.pages.snapshot import CurrentConnections, StatusSnapshot, blur_series
from wormhole_server.web.pages.status import Status, status_documents
from wormhole_twisted.timer import RepeatingTimer
from wormhole_web.files import fingerprint

# A tenth of the shortest step; a sample takes microseconds.
_SAMPLE_SECONDS = 6.0


class PagesSource(HomeSource, Protocol):
    """What the pages show; it is asked whenever a page is made."""

    @property
    def version(self) -> str | None:
        """The version of this program; None: it is not shown."""

    @property
    def several_instances(self) -> bool:
        """Whether other instances may write to the same database."""

    def connections(self) -> CurrentConnections:
        """Count the connections that are open now."""

    def tally(self) -> Tally:
        """Return what has been counted since the process started."""

    def read_days(self, first_day: int) -> Deferred[DailyTallies]:
        """Read the tallies of a day, counted from the epoch, and of all days after it."""


class PagesService(MultiService):
    """
    The pages.

    :param clock: runs the timers and measures the uptime; steady.
    :param day: returns the time of day, in seconds since the epoch.
    :param private: whether the commands and the browser client are behind a secret prefix only.
    :param status: whether there is a status page.
    :param client: the browser client; None: there is none.
    :ivar blur_seconds: what usage records are blurred to, in seconds; None: not at all. May be changed.
    :ivar root: the page at /, with the others below it.
    :ivar prefixed_root: the page behind the prefix; `root` itself where there is none.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        source: PagesSource,
        blur_seconds: float | None,
        *,
        private: bool,
        status: bool,
        client: WebClient | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock = clock
        self._day = day
        self._source = source
        self._history = History()
        self._days = RecentDays(clock, day, source.read_days)
        self._started = clock.seconds()
        self._has_status = status
        self._web_client = None if client is None else fingerprint(hashes(client.assets))
        self.blur_seconds = blur_seconds
        self.prefixed_root: Resource = Home(source, commands=True, status=status, client=client)
        self.root = Home(source, commands=False, status=status) if private else self.prefixed_root
        if status:
            documents = status_documents(clock, self._take_snapshot)
            for root in (self.root, self.prefixed_root):
                root.putChild(b"status", Status(documents, only_json=False))
                root.putChild(b"status.json", Status(documents, only_json=True))
            timer = RepeatingTimer(clock, _SAMPLE_SECONDS, self.sample)
            timer.setServiceParent(self)  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Take the first sample, and then one at every interval."""
        if self._has_status:
            self.sample()
        super().startService()  # type: ignore[no-untyped-call]

    def sample(self) -> None:
        """Add to the history what has been counted since the last sample."""
        self._history.record(self._day(), self._source.tally())

    def _take_snapshot(self) -> Deferred[StatusSnapshot]:
        self.sample()
        return self._days().addCallback(
            lambda days: StatusSnapshot(
                time=self._day(),
                uptime_seconds=self._clock.seconds() - self._started,
                version=self._source.version,
                web_client=self._web_client,
                now=self._source.connections(),
                minutes=blur_series(self._history.minutes(self._day()), self.blur_seconds),
                hours=blur_series(self._history.hours(self._day()), self.blur_seconds),
                days=blur_series(days, self.blur_seconds),
                bounds=self._history.hours(self._day()).total.bounds,
                several_instances=self._source.several_instances,
            )
        )
