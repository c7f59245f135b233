"""
The web root: /v1, /transit, /healthz and /readyz beside the pages for browsers.

Owns which path is answered how. Knows neither rendezvous, relay nor database: it is given factories, the root
page and a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from rendezvous.errors import DiskFull
from wormhole_limits.scheduler import Scheduler
from wormhole_server.listening.factory import ConnectionAddress
from wormhole_server.listening.limiter import RefusalReason
from wormhole_server.listening.refused_connections import RESPONSES
from wormhole_server.web.cached_query import CachedQuery
from wormhole_server.web.dispatcher import WebDispatcher
from wormhole_server.web.http import (
    Later,
    PrivateSite,
    PromptChannel,
    TextPage,
    header_tokens,
    text,
)
from wormhole_server.web.path_prefix import PathPrefix
from wormhole_twisted.internals import replace_protocol

# Load balancers check every few seconds; an available database answers within milliseconds.
_READY_SECONDS = 2.0

# Headers of an opening handshake (RFC 6455, section 4.2.1): those that may stand once, and lists.
_SINGLE: Final = (
    b"Host",
    b"Origin",
    b"Sec-WebSocket-Origin",  # before version 13
    b"Sec-WebSocket-Key",
    b"Sec-WebSocket-Version",
)
_LISTS: Final = (b"Upgrade", b"Connection", b"Sec-WebSocket-Protocol")

# Retry-After, in seconds: a database that is started with the server takes about so long.
_START_SECONDS = 5

# A supervisor would kill a server that does not answer it; the rendezvous server tells its clients itself.
_HEALTH: Final = frozenset({b"/healthz", b"/readyz"})

_log = Logger()


def web_site(
    scheduler: Scheduler,
    *,
    rendezvous: IProtocolFactory,
    relay: IProtocolFactory | None,
    check: Callable[[], Deferred[None]],
    is_starting: Callable[[], bool],
    is_stopping: Callable[[], bool],
    root: Resource,
    prefix: PathPrefix,
    prefixed_root: Resource,
    request_seconds: float,
) -> WebDispatcher:
    """
    Make the factory that listens on every rendezvous endpoint.

    :param scheduler: says when a request is answered.
    :param rendezvous: serves /v1.
    :param relay: serves /transit; None: there is no relay.
    :param check: succeeds if clients can be served.
    :param is_starting: returns whether the server does not serve yet: then everything but /healthz is a
        status 503.
    :param is_stopping: returns whether the server is stopping, so that clients should connect elsewhere.
    :param root: the page at /; /healthz and /readyz are put below it.
    :param prefix: the secret path before /v1 and /transit, if there is one.
    :param prefixed_root: the page behind the prefix; /v1 and /transit are put below it.
    :param request_seconds: how long a connection may take to complete a request.
    """
    prefixed_root.putChild(b"v1", _WebSocketPage(rendezvous))
    if relay is not None:
        prefixed_root.putChild(b"transit", _WebSocketPage(relay))
    root.putChild(b"healthz", _Health())
    clock = scheduler.clock
    query = CachedQuery(clock, check, timeout_seconds=_READY_SECONDS, fresh_seconds=0.0)
    root.putChild(b"readyz", _Readiness(query, is_stopping))
    site = _WebRoot(scheduler, root, prefix, prefixed_root, request_seconds)
    websockets = {b"/v1": rendezvous} if relay is None else {b"/v1": rendezvous, b"/transit": relay}
    starting = PrivateSite("Web root", scheduler, _Starting(), request_seconds)
    return WebDispatcher(
        scheduler, prefix, websockets, site, starting, is_starting, request_seconds
    )


def uses_tls(request: Request) -> bool:
    """Return whether a client has used TLS, to this server or to a trusted proxy that reports it."""
    arrival = cast(PromptChannel, request.channel).arrival
    if isinstance(arrival, ConnectionAddress) and arrival.is_proxy:
        lines = request.requestHeaders.getRawHeaders(b"x-forwarded-proto", [])
        # Each proxy appends to the header: the last value is that of the trusted one.
        if lines:
            return lines[-1].rpartition(b",")[2].strip().lower() == b"https"
    return bool(request.isSecure())


class _WebRoot(PrivateSite):
    """The web root, which refuses clients on the deny list, and has pages behind a prefix."""

    def __init__(
        self,
        scheduler: Scheduler,
        root: Resource,
        prefix: PathPrefix,
        prefixed_root: Resource,
        request_seconds: float,
    ) -> None:
        super().__init__("Web root", scheduler, root, request_seconds)
        self._root = root
        self._prefix = prefix
        self._prefixed_root = prefixed_root

    def getResourceFor(self, request: Request) -> IResource:  # noqa: N802 - Site prescribes it
        """Find the page for a request."""
        path = self._prefix.strip(request.path)
        arrival = cast(PromptChannel, request.channel).arrival
        exempt = request.path in _HEALTH or path == b"/v1"
        if isinstance(arrival, ConnectionAddress) and not exempt:
            headers = request.requestHeaders
            denied = arrival.deny(lambda name: headers.getRawHeaders(name, []))
            if denied is not None:
                return _Denied(denied)
        if path == b"":
            return _MissingSlash()
        self.resource = self._root
        if path is not None:
            self.resource = self._prefixed_root
            request.postpath = [unquote_to_bytes(name) for name in path[1:].split(b"/")]
        return super().getResourceFor(request)


class _MissingSlash(TextPage):
    """The prefix without its slash, from which the relative links of the page would lead elsewhere."""

    def render(self, request: Request) -> bytes:
        """Redirect, whatever the method."""
        request.setHeader(b"location", request.path + b"/")
        return text(request, 308, "This page has a slash at its end.")


class _Denied(TextPage):
    """Every page for a client on the deny list."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self._message = message

    def render(self, request: Request) -> bytes:
        """Answer 403 with the message, whatever the method."""
        return text(request, 403, self._message)


class _WebSocketPage(TextPage):
    """A path that is a WebSocket."""

    def __init__(self, factory: IProtocolFactory) -> None:
        super().__init__()
        self._factory = factory

    def render_GET(self, request: Request) -> bytes | int:
        if (
            request.method != b"GET"
            # Earlier versions have no upgrades (RFC 9110, section 7.8).
            or request.clientproto != b"HTTP/1.1"
            or b"websocket" not in header_tokens(request, b"upgrade")
        ):
            request.setHeader(b"upgrade", b"websocket")
            request.setHeader(b"connection", b"upgrade")
            return text(
                request,
                426,
                "This is the WebSocket of a Magic Wormhole server. "
                "Use it with a program that speaks WebSocket.",
            )
        arrival = cast(PromptChannel, request.channel).arrival
        client: IAddress | RefusalReason | None = arrival
        if isinstance(arrival, ConnectionAddress):
            headers = request.requestHeaders
            client = arrival.client(lambda name: headers.getRawHeaders(name, []))
        if isinstance(client, RefusalReason):
            return _refuse(request, client)
        head = _opening_head(request)
        if head is None:
            return text(request, 400, "A header has a value that it cannot have.")
        channel = cast(PromptChannel, request.channel)
        transport: Any = channel.transport
        # The HTTP channel is a producer for its transport, which can have no second one.
        transport.unregisterProducer()
        channel.transport = None
        protocol: Any = self._factory.buildProtocol(cast(IAddress, client))
        channel.successor = protocol
        replace_protocol(transport, protocol)
        # The channel pauses it where more than 16 KiB came behind the request, or answers are not read.
        transport.resumeProducing()
        protocol.dataReceived(head)
        return NOT_DONE_YET


def _opening_head(request: Request) -> bytes | None:
    """
    Write an opening handshake out again, with what Autobahn reads of it.

    :return: None if Autobahn would read something else: it ends a line at more characters than CR and LF.
    """
    headers = request.requestHeaders
    lines = [b"GET %s HTTP/1.1" % request.uri]
    for name in _SINGLE:
        lines += [b"%s: %s" % (name, value) for value in headers.getRawHeaders(name, [])]
    for name in _LISTS:
        if headers.hasHeader(name):
            lines.append(b"%s: %s" % (name, b", ".join(headers.getRawHeaders(name, []))))
    if any(len(line.decode("latin-1").splitlines()) > 1 for line in lines):
        return None
    return b"\r\n".join([*lines, b"", b""])


def _refuse(request: Request, reason: RefusalReason) -> bytes:
    status, seconds, sentence = RESPONSES[reason]
    request.setHeader(b"retry-after", b"%d" % seconds)
    request.setHeader(b"connection", b"close")
    return text(request, status, sentence)


class _Health(TextPage):
    """`/healthz`: any response shows that the reactor runs."""

    def render_GET(self, request: Request) -> bytes:
        return text(request, 200, "The server is alive.")


class _Starting(TextPage):
    """Every path of a server that does not serve yet."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Answer, and close the connection: after the start it would still lead here."""
        request.setHeader(b"connection", b"close")
        request.channel.persistent = False
        if request.path == b"/healthz":
            return text(request, 200, "The server is alive, and starting.")
        request.setHeader(b"retry-after", b"%d" % _START_SECONDS)
        return text(request, 503, "The server is not ready: it waits for its database.")


_UNAVAILABLE = "The server is not ready: its database does not answer, or accepts no writes."
_DISK_FULL = (
    "The server is not ready: its disk is nearly full. It stores nothing new until something is removed "
    "or expires."
)


class _Readiness(TextPage):
    """`/readyz`: whether clients should connect to this server."""

    def __init__(
        self, check: Callable[[], Deferred[None]], is_stopping: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._check = check
        self._is_stopping = is_stopping
        self._was_ready = True

    def render_GET(self, request: Request) -> bytes | int:
        if self._is_stopping():
            return text(request, 503, "The server is not ready: it is stopping.")
        later = Later(request)

        def ready(_: None) -> None:
            self._was_ready = True
            later.text(200, "The server is ready.")

        def not_ready(failure: Failure) -> None:
            # Only the log has the reason. Checks are frequent: it is logged once.
            if self._was_ready:
                self._was_ready = False
                _log.warn("Not ready: {why}.", why=_describe(failure))
            later.text(503, _DISK_FULL if failure.check(DiskFull) else _UNAVAILABLE)

        self._check().addCallbacks(ready, not_ready).addErrback(later.failed)
        return NOT_DONE_YET


def _describe(failure: Failure) -> str:
    """Say why a check has failed, without a full stop."""
    if failure.check(defer.TimeoutError):
        return "the database has not answered in time"
    return str(failure.value).rstrip(".") or type(failure.value).__name__
