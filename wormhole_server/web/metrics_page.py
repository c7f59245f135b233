"""
The metrics page: `/metrics` in the text format of Prometheus, on a listener of its own.

Owns the page, which requests it answers, and how often the database is asked for what only it knows. Knows
none of the series.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from rendezvous.server import LiveCounts
from wormhole_limits.scheduler import Scheduler
from wormhole_server.web.cached_query import CachedQuery
from wormhole_server.web.http import Later, PrivateSite, TextPage, text

# Counting rows takes time, and more than one Prometheus may scrape.
_FRESH_SECONDS = 10.0
# Prometheus waits 10 s for a scrape.
_TIMEOUT_SECONDS = 2.0
# Prometheus sends its request at once.
_REQUEST_SECONDS = 10.0


def metrics_site(
    scheduler: Scheduler,
    registry: CollectorRegistry,
    *,
    count: Callable[[], Deferred[LiveCounts]],
    show: Callable[[LiveCounts | None], None],
) -> PrivateSite:
    """
    Make the site of every metrics endpoint.

    :param count: asks the database.
    :param show: puts the answer into the registry; takes None where the database does not answer.
    """
    query = CachedQuery(
        scheduler.clock, count, timeout_seconds=_TIMEOUT_SECONDS, fresh_seconds=_FRESH_SECONDS
    )
    root = _Index()
    root.putChild(b"metrics", _Metrics(registry, query, show))
    return PrivateSite("Metrics", scheduler, root, _REQUEST_SECONDS)


class _Index(TextPage):
    """`/`, for a browser."""

    def getChild(self, path: bytes, request: http.Request) -> Resource:
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        return text(request, 200, "The metrics of a Magic Wormhole server are at /metrics.")


class _Metrics(TextPage):
    """`/metrics`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        count: Callable[[], Deferred[LiveCounts]],
        show: Callable[[LiveCounts | None], None],
    ) -> None:
        super().__init__()
        self._registry = registry
        self._count = count
        self._show = show

    def render_GET(self, request: Request) -> bytes | int:
        if not _names_this_machine(request):
            return text(request, 403, "Ask for this page by its address, or as localhost.")
        # On the reactor's thread, where the series are written.
        later = Later(request)
        request.setHeader(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"x-content-type-options", b"nosniff")

        def answer(counts: LiveCounts | None) -> None:
            self._show(counts)
            later.body(generate_latest(self._registry))

        # /readyz reports why the database does not answer.
        counts = self._count().addErrback(lambda _: None)
        counts.addCallback(answer).addErrback(later.failed)
        return NOT_DONE_YET


def _names_this_machine(request: Request) -> bool:
    """
    Check the Host of a request that came over the loopback interface.

    An operator who listens there relies on nobody else reading the page. A web site whose name resolves to
    127.0.0.1 could have a browser on this machine read it (DNS rebinding); its Host is a name with dots.
    """
    host = request.getHost()
    if not (isinstance(host, IPv4Address | IPv6Address) and ip_address(host.host).is_loopback):
        return True
    name = request.getRequestHostname().decode("latin-1").strip("[]")
    if "." not in name.removesuffix(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
