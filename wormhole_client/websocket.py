"""
WebSocket connections: the Autobahn side of a rendezvous link and of a relay stream. Owns dialing
and the translation of Autobahn's callbacks; knows no message of either protocol.
"""

from typing import Any, Final, cast

import attrs
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer, ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_client.connection import Dial, Link, LinkOwner
from wormhole_client.network import Network, WebSocketAddress

HANDSHAKE_SECONDS: Final = 20  # from TCP to an answer; a proxy that waits longer is broken
PING_SECONDS: Final = 30  # below the 60 s after which proxies cut silent connections
PONG_SECONDS: Final = 60
CLOSE_SECONDS: Final = 2  # for the closing handshake, then the connection is dropped
LARGEST_MESSAGE: Final = 16 * 1024 * 1024  # bytes; what a server can make us hold


class HandshakeError(Exception):
    """TCP works, but the other end is no WebSocket server that takes us. The text says why."""


_Factory: Any = WebSocketClientFactory  # not annotated


class Socket(WebSocketClientProtocol):
    """One connection; `opened` fires once, with it or with the reason."""

    opened: "Deferred[Socket]"
    transport: Any
    is_up = False

    def onOpen(self) -> None:
        self.is_up = True
        self.opened.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if self.is_up:
            self.ended(reason)
        elif not self.opened.called:
            if self.wasNotCleanReason and not self._network_said(reason):
                reason = Failure(HandshakeError(self.wasNotCleanReason))
            self.opened.errback(reason)

    def _network_said(self, reason: Failure) -> bool:
        return not self.droppedByMe and not isinstance(reason.value, ConnectionDone)

    def ended(self, reason: Failure) -> None:
        """The open connection is gone."""

    def say(self, payload: bytes, *, binary: bool) -> None:
        if self.state == self.STATE_OPEN:  # else the closing handshake is under way
            self.sendMessage(payload, isBinary=binary)  # type: ignore[no-untyped-call]  # Autobahn

    def abandon(self) -> None:
        """Drop the connection at once."""
        if self.transport is not None:
            self.dropConnection(abort=True)


def open_socket(
    reactor: Any, network: Network, url: str, protocol: type[Socket]
) -> "Deferred[Socket]":
    """
    Dial `url`. Fails with what the network said, or HandshakeError; can be cancelled.

    :raises ValueError: `url` is no WebSocket URL.
    """
    address = WebSocketAddress.parse(url)
    factory = _Factory(url=url, reactor=reactor, useragent="wormhole-client")
    factory.setProtocolOptions(
        openHandshakeTimeout=HANDSHAKE_SECONDS,
        closeHandshakeTimeout=CLOSE_SECONDS,
        serverConnectionDropTimeout=CLOSE_SECONDS,
        autoPingInterval=PING_SECONDS,
        autoPingTimeout=PONG_SECONDS,
        maxMessagePayloadSize=LARGEST_MESSAGE,
        maxFramePayloadSize=LARGEST_MESSAGE,
        failByDrop=True,
    )
    made: list[Socket] = []

    def give_up(_: object) -> None:
        connecting.cancel()
        for socket in made:
            socket.abandon()

    opened: Deferred[Socket] = Deferred(give_up)

    def build() -> Socket:
        socket = protocol()
        socket.opened = opened
        made.append(socket)
        return socket

    factory.protocol = build
    connecting = address.endpoint(network).connect(factory)
    connecting.addErrback(lambda reason: None if opened.called else opened.errback(reason))
    return opened


class _TextSocket(Socket):
    owner: LinkOwner

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        self.owner.received(payload)

    def ended(self, reason: Failure) -> None:  # noqa: ARG002 - why a link ended is the same to us
        self.owner.lost()


@attrs.frozen
class TextLink:
    """A rendezvous link over WebSocket."""

    socket: _TextSocket

    def send(self, text: bytes) -> None:
        self.socket.say(text, binary=False)

    def close(self) -> None:
        self.socket.sendClose(1000)


def rendezvous_dial(reactor: Any, network: Network, url: str) -> Dial:
    """
    :raises ValueError: `url` is no WebSocket URL.
    """
    WebSocketAddress.parse(url)

    def dial(owner: LinkOwner) -> Deferred[Link]:
        def linked(socket: Socket) -> Link:
            text_socket = cast("_TextSocket", socket)
            text_socket.owner = owner
            return TextLink(text_socket)

        return open_socket(reactor, network, url, _TextSocket).addCallback(linked)

    return dial


class _StreamSocket(Socket):
    carried: IProtocol

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        self.carried.dataReceived(payload)

    def ended(self, reason: Failure) -> None:
        self.carried.connectionLost(reason)


@implementer(ITransport, IConsumer, IPushProducer)
@attrs.define(eq=False)
class StreamTransport:
    """Lets a protocol that is made for TCP run over the binary messages of a WebSocket."""

    socket: _StreamSocket
    disconnecting: bool = False

    def write(self, data: bytes) -> None:
        if not self.disconnecting:
            self.socket.say(data, binary=True)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self.socket.sendClose(1000)

    def abortConnection(self) -> None:
        self.disconnecting = True
        self.socket.abandon()

    def getPeer(self) -> Any:
        return self.socket.transport.getPeer()

    def getHost(self) -> Any:
        return self.socket.transport.getHost()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.socket.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.socket.unregisterProducer()

    def pauseProducing(self) -> None:
        self.socket.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.socket.transport.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()


def carry_stream(
    reactor: Any, network: Network, url: str, carried: IProtocol
) -> "Deferred[StreamTransport]":
    """Dial `url` and run `carried` over it. As `open_socket`."""

    def connected(socket: Socket) -> StreamTransport:
        stream_socket = cast("_StreamSocket", socket)
        stream_socket.carried = carried
        transport = StreamTransport(stream_socket)
        carried.makeConnection(transport)
        return transport

    return open_socket(reactor, network, url, _StreamSocket).addCallback(connected)
