"""
The WebSocket connection: the only module of the client that imports Autobahn.

Owns dialing, the opening handshake and the translation of Autobahn's callbacks; knows no message of
either protocol. It relies on four things that Autobahn does not document, each with a test that fails
when Autobahn changes it:

- `wasNotCleanReason` says why the opening handshake failed. The reason that `onClose` is given wraps
  the same text in a sentence of its own.
- That text holds the HTTP status in brackets: `upgrade failed [404]`. Nothing documented tells the
  status of a refused handshake.
- A factory's `_batched_timer` runs all timers, on the global reactor, whichever reactor the factory is given.
- The module of its protocol makes masks by a function named `create_xor_masker`.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import attrs
import autobahn.websocket.protocol
from autobahn.exception import Disconnected
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.types import ConnectionResponse
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from wormhole_client.network.endpoints import Network, WebSocketAddress

HANDSHAKE_SECONDS: Final = 20  # from TCP to an answer; a proxy that waits longer is broken
PING_SECONDS: Final = 30  # below the 60 s after which proxies cut silent connections
PONG_SECONDS: Final = 60
CLOSE_SECONDS: Final = 2  # for the closing handshake, then the connection is dropped
LARGEST_MESSAGE: Final = 16 * 1024 * 1024  # bytes; bounds the memory that a server can use here
NORMAL_CLOSURE: Final = 1000  # RFC 6455, 7.4.1

_STATUS: Final = re.compile(r"\[(\d{3})\]")


class HandshakeError(Exception):
    """
    The host accepted the TCP connection, but did not upgrade it to WebSocket.

    :ivar status: the HTTP status of its answer; None if it did not answer in HTTP.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        status = _STATUS.search(text)
        self.status = int(status[1]) if status is not None else None


class WebSocketConnection(WebSocketClientProtocol):
    """
    One WebSocket connection.

    :ivar opened: fires once, with this connection or with the reason of the failure.
    :ivar response_headers: of the answer to the opening handshake, names in lower case.
    """

    opened: "Deferred[Any]"
    transport: Any
    response_headers: Mapping[str, str] = {}
    is_up = False

    def onConnect(self, response: ConnectionResponse) -> None:
        self.response_headers = response.headers

    def onOpen(self) -> None:
        self.is_up = True
        self.opened.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if self.is_up:
            self.ended(reason)
        elif not self.opened.called:
            # A failure of the network or of TLS says more than what Autobahn makes of it.
            if self.wasNotCleanReason and reason.check(ConnectionDone, ConnectionAborted):
                reason = Failure(HandshakeError(self.wasNotCleanReason))
            self.opened.errback(reason)

    def ended(self, reason: Failure) -> None:
        """Handle the end of a connection that was open; for subclasses."""

    def send(self, payload: bytes, *, binary: bool) -> None:
        """Send one message; during the closing handshake it is dropped."""
        with suppress(Disconnected):
            self.sendMessage(payload, isBinary=binary)  # type: ignore[no-untyped-call]  # Autobahn

    def close(self) -> None:
        """Begin the closing handshake."""
        self.sendClose(NORMAL_CLOSURE)

    def abort(self) -> None:
        """Drop the connection at once, without a closing handshake."""
        if self.transport is not None:
            self.transport.abortConnection()


@attrs.frozen
class _ReactorTimer:
    """Stands in for Autobahn's timer, and runs on the reactor of the connection."""

    reactor: IReactorTime

    def call_later(
        self, seconds: float, call: Callable[..., object], *args: Any, **kwargs: Any
    ) -> IDelayedCall:
        return self.reactor.callLater(seconds, call, *args, **kwargs)


class _TimedFactory(WebSocketClientFactory):
    def __init__(self, reactor: IReactorTime, **options: Any) -> None:
        super().__init__(reactor=reactor, **options)  # type: ignore[no-untyped-call]
        self._batched_timer = _ReactorTimer(reactor)


def mask_natively() -> None:
    """
    Let Autobahn mask by its native code from now on, if there is any.

    The command has Autobahn leave it out, since it takes longer to import than to mask a few messages.
    """
    with suppress(ImportError):
        import _nvx_xormasker  # type: ignore[import-not-found]  # noqa: F401, PLC0415 - it may be missing
        from autobahn.nvx._xormasker import create_xor_masker  # noqa: PLC0415 - see above

        protocol: Any = autobahn.websocket.protocol
        protocol.create_xor_masker = create_xor_masker


_Factory: Any = _TimedFactory  # Autobahn's part is not annotated


def open_websocket(
    reactor: Any,
    network: Network,
    url: str,
    protocol: type[WebSocketConnection],
    headers: Mapping[str, str] | None = None,
) -> "Deferred[Any]":
    """
    Connect to a WebSocket URL.

    :param protocol: is instantiated without arguments.
    :param headers: for the request, beside those of the handshake.
    :return: fires with the open connection; fails with what the network or TLS reported, or with
        `HandshakeError`. Cancelling it drops the connection.
    :raises ValueError: `url` is not a WebSocket URL.
    """
    address = WebSocketAddress.parse(url)
    factory = _Factory(url=url, reactor=reactor, useragent="wormhole-client", headers=headers)
    factory.setProtocolOptions(
        openHandshakeTimeout=HANDSHAKE_SECONDS,
        closeHandshakeTimeout=CLOSE_SECONDS,
        serverConnectionDropTimeout=CLOSE_SECONDS,
        autoPingInterval=PING_SECONDS,
        autoPingTimeout=PONG_SECONDS,
        utf8validateIncoming=False,  # whoever parses the JSON validates it
        maxMessagePayloadSize=LARGEST_MESSAGE,
        maxFramePayloadSize=LARGEST_MESSAGE,
        failByDrop=True,
    )
    made: list[WebSocketConnection] = []

    def cancel(_: object) -> None:
        connecting.cancel()
        for connection in made:
            connection.abort()

    opened: Deferred[Any] = Deferred(cancel)

    def build() -> WebSocketConnection:
        connection = protocol()
        connection.opened = opened
        made.append(connection)
        return connection

    factory.protocol = build
    connecting = address.endpoint(network).connect(factory)
    connecting.addErrback(lambda reason: None if opened.called else opened.errback(reason))
    return opened
