"""
The stream transport: lets a protocol that is made for TCP run over the binary messages of a
WebSocket connection, as a transit relay expects them.

Owns no buffer: flow control is that of the TCP connection below.
"""

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_client.network.endpoints import Network
from wormhole_client.network.websocket import WebSocketConnection, mask_natively, open_websocket


class _StreamConnection(WebSocketConnection):
    carried: IProtocol

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        self.carried.dataReceived(payload)

    def ended(self, reason: Failure) -> None:
        self.carried.connectionLost(reason)


@implementer(ITransport, IConsumer, IPushProducer)
@attrs.define(eq=False)
class StreamTransport:
    """The transport of a protocol that runs over WebSocket."""

    connection: _StreamConnection
    disconnecting: bool = False

    def write(self, data: bytes) -> None:
        if not self.disconnecting:
            self.connection.send(data, binary=True)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self.connection.close()

    def abortConnection(self) -> None:
        self.disconnecting = True
        self.connection.abort()

    def getPeer(self) -> Any:
        return self.connection.transport.getPeer()

    def getHost(self) -> Any:
        return self.connection.transport.getHost()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.connection.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.connection.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self.connection.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.connection.transport.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()


def open_stream(
    reactor: Any, network: Network, url: str, carried: IProtocol
) -> Deferred[StreamTransport]:
    """
    Connect to a WebSocket URL and run a protocol over the connection.

    :param carried: gets `makeConnection` once the WebSocket connection is open.
    :return: as `open_websocket` does.
    :raises ValueError: `url` is not a WebSocket URL.
    """

    mask_natively()

    def connected(connection: _StreamConnection) -> StreamTransport:
        connection.carried = carried
        transport = StreamTransport(connection)
        carried.makeConnection(transport)
        return transport

    return open_websocket(reactor, network, url, _StreamConnection).addCallback(connected)
