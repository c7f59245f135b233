"""
`/metrics`, on a listener of its own, in the text format of Prometheus.

Owns the page, and how often the database is asked for what only it knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from wormhole_server.http import Alive, Page, PrivateSite, text
from wormhole_server.shared import Shared

# Counting rows is not free, and Prometheus is not always alone: one count serves all for a while.
_COUNTS_FRESH_SECONDS = 10.0
# Well within the 10 s that Prometheus gives a scrape.
_COUNTS_SECONDS = 2.0
# Prometheus sends its request at once.
_REQUEST_SECONDS = 10.0


class LiveCounts(Protocol):
    """How many there are in the database now."""

    @property
    def nameplates(self) -> int: ...
    @property
    def mailboxes(self) -> int: ...


def metrics_site(
    reactor: IReactorTime,
    registry: CollectorRegistry,
    *,
    count: Callable[[], Deferred[LiveCounts]],
    show: Callable[[LiveCounts | None], None],
) -> PrivateSite:
    """
    The site for every metrics endpoint.

    :param count: asks the database.
    :param show: puts what it said into the registry; None where it did not answer.
    """
    root = Index()
    root.putChild(b"metrics", Metrics(registry, Counting(reactor, count), show))
    return PrivateSite(reactor, root, _REQUEST_SECONDS)


class Counting:
    """The live counts, from memory while they are fresh."""

    def __init__(self, clock: IReactorTime, count: Callable[[], Deferred[LiveCounts]]) -> None:
        self._clock = clock
        self._count = Shared(clock, count, _COUNTS_SECONDS)
        self._fresh_until = float("-inf")
        self._counts: LiveCounts | None = None

    def __call__(self) -> Deferred[LiveCounts | None]:
        """The counts; None where the database does not answer. Never fails."""
        if self._clock.seconds() < self._fresh_until:
            return succeed(self._counts)
        return self._count().addCallbacks(self._remember, self._unknown)

    def _remember(self, counts: LiveCounts) -> LiveCounts | None:
        self._counts = counts
        self._fresh_until = self._clock.seconds() + _COUNTS_FRESH_SECONDS
        return counts

    def _unknown(self, failure: Failure) -> LiveCounts | None:  # noqa: ARG002 - /readyz tells of it
        return None


class Index(Page):
    """`/`, for who looks with a browser."""

    def getChild(self, path: bytes, request: http.Request) -> Resource:
        """The root itself has an empty name."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        """Where to look."""
        return text(request, 200, "The metrics of a Magic Wormhole server are at /metrics.")


class Metrics(Page):
    """`/metrics`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        counting: Callable[[], Deferred[LiveCounts | None]],
        show: Callable[[LiveCounts | None], None],
    ) -> None:
        super().__init__()
        self._registry = registry
        self._counting = counting
        self._show = show

    def render_GET(self, request: Request) -> int:
        """Everything, on the reactor's thread: what is counted is counted there, too."""
        alive = Alive(request)

        def answer(counts: LiveCounts | None) -> None:
            self._show(counts)
            if alive:
                request.setHeader(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())
                request.write(generate_latest(self._registry))
                request.finish()

        def failed(failure: Failure) -> None:
            request.processingFailed(failure)

        self._counting().addCallback(answer).addErrback(failed)
        return NOT_DONE_YET
