"""
The web root of the rendezvous endpoints: /v1, /transit, /healthz and /readyz beside the pages for people.

Owns what stands at which path and what it says. Knows neither rendezvous nor relay, nor the database: it
is handed WebSocket factories and a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IConsumer, IProtocol, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from wormhole_server.admission import Refusal
from wormhole_server.front_door import FrontDoor
from wormhole_server.gate import Arrival
from wormhole_server.http import Later, Page, PrivateSite, PromptChannel, text
from wormhole_server.readiness import Readiness
from wormhole_server.shared import Shared
from wormhole_server.turned_away import ANSWERS

# Load balancers ask every few seconds and want to know soon; a healthy database takes milliseconds.
READY_SECONDS = 2.0

_log = Logger()


def web_site(
    reactor: IReactorTime,
    *,
    rendezvous: WebSocketServerFactory,
    relay: WebSocketServerFactory | None,
    check: Callable[[], Deferred[None]],
    readiness: Readiness,
    root: Resource,
    request_seconds: float,
) -> FrontDoor:
    """
    What listens on every rendezvous endpoint.

    :param rendezvous: serves /v1.
    :param relay: serves /transit; None where there is no relay.
    :param check: fires while clients can be served, and fails while they cannot.
    :param readiness: whether clients should be sent here at all.
    :param root: the page at /, which may have others below it.
    :param request_seconds: how long a connection may take to complete a request.
    """
    root.putChild(b"v1", Upgrade(rendezvous))
    if relay is not None:
        root.putChild(b"transit", Upgrade(relay))
    root.putChild(b"healthz", Healthy())
    root.putChild(b"readyz", Ready(Shared(reactor, check, READY_SECONDS), readiness))
    site = PrivateSite("Web root", reactor, root, request_seconds)
    websockets = {b"/v1": rendezvous} if relay is None else {b"/v1": rendezvous, b"/transit": relay}
    return FrontDoor(reactor, websockets, site, request_seconds)


def came_securely(request: Request) -> bool:
    """Whether somebody has come through TLS, to us or to a trusted proxy of ours that says so."""
    arrival = cast(PromptChannel, request.channel).arrival
    if isinstance(arrival, Arrival) and arrival.is_proxy:
        lines = request.requestHeaders.getRawHeaders(b"x-forwarded-proto", [])
        # Each proxy adds what it has seen: the nearest to us is the one whom we trust.
        if lines:
            return lines[-1].rpartition(b",")[2].strip().lower() == b"https"
    return bool(request.isSecure())


class Upgrade(Page):
    """A WebSocket, for those who ask for one."""

    def __init__(self, factory: WebSocketServerFactory) -> None:
        super().__init__()
        self._factory = factory

    def render_GET(self, request: Request) -> bytes | int:
        """Hand the connection over to Autobahn."""
        upgrade = request.getHeader(b"upgrade") or b""
        if request.method != b"GET" or upgrade.strip().lower() != b"websocket":
            request.setHeader(b"upgrade", b"websocket")
            request.setHeader(b"connection", b"upgrade")
            return text(
                request,
                426,
                "This is a WebSocket of a Magic Wormhole server. "
                "Use it with a program that speaks WebSocket.",
            )
        arrival = cast(PromptChannel, request.channel).arrival
        client: IAddress | Refusal | None = arrival
        if isinstance(arrival, Arrival):
            headers = request.requestHeaders
            client = arrival.client(lambda name: headers.getRawHeaders(name, []))
        if isinstance(client, Refusal):
            return turn_away(request, client)
        # The HTTP channel is a producer for its transport, which can have no second one.
        cast(IConsumer, request.channel.transport).unregisterProducer()
        return cast(int, WebSocketResource(_From(client, self._factory)).render(request))


class _From:
    """A factory for a client whose address is known; Autobahn would take that of the transport."""

    def __init__(self, client: IAddress | None, factory: WebSocketServerFactory) -> None:
        self._client = client
        self._factory = factory

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:  # noqa: ARG002 - as above
        """A connection for that client."""
        return cast("IProtocol | None", self._factory.buildProtocol(self._client))


def turn_away(request: Request, refusal: Refusal) -> bytes:
    """There is no room for who asks."""
    status, seconds, sentence = ANSWERS[refusal]
    request.setHeader(b"retry-after", b"%d" % seconds)
    request.setHeader(b"connection", b"close")
    return text(request, status, sentence)


class Healthy(Page):
    """`/healthz`: who gets an answer knows that the reactor turns."""

    def render_GET(self, request: Request) -> bytes:
        """That is all there is to know."""
        return text(request, 200, "The server is alive.")


class Ready(Page):
    """`/readyz`: whether to send clients here."""

    def __init__(self, check: Callable[[], Deferred[None]], readiness: Readiness) -> None:
        super().__init__()
        self._check = check
        self._readiness = readiness
        self._was_ready = True

    def render_GET(self, request: Request) -> bytes | int:
        """Answers after the check, which all who ask at the same time share."""
        if self._readiness.stopping:
            return text(request, 503, "The server is not ready: it is stopping.")
        later = Later(request)

        def ready(_: None) -> None:
            self._was_ready = True
            later.text(200, "The server is ready.")

        def not_ready(failure: Failure) -> None:
            # Why is for the log, and once is enough: probes come all the time.
            if self._was_ready:
                self._was_ready = False
                _log.warn("Not ready: {why}", why=type(failure.value).__name__)
            later.text(
                503, "The server is not ready: its database does not answer, or takes nothing."
            )

        self._check().addCallbacks(ready, not_ready)
        return NOT_DONE_YET
