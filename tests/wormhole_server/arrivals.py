"""Connections to a gate for tests, in memory; their transport tells its protocol when it is lost."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure


class Transport(StringTransport):
    """What Twisted's own transports are beside."""

    protocol: Any

    def connectionLost(self, reason: Failure) -> None:
        """As the reactor calls it."""
        self.gone = True
        self.protocol.connectionLost(reason)

    def loseWriteConnection(self) -> None:  # noqa: N802 - Twisted's
        """A half-close."""
        self.half_closed = True

    gone = False
    half_closed = False


class Connection:
    """
    One connection to `factory`.

    :ivar transport: its `protocol` is who has the connection now.
    """

    def __init__(self, factory: Any, peer: IAddress | str = "192.0.2.7") -> None:
        self.peer = IPv4Address("TCP", peer, 1234) if isinstance(peer, str) else peer
        self.transport = Transport(peerAddress=self.peer)
        self.transport.protocol = factory.buildProtocol(self.peer)
        self.transport.protocol.makeConnection(self.transport)

    @property
    def protocol(self) -> Any:
        """Who has it."""
        return self.transport.protocol

    @property
    def closed(self) -> bool:
        """Whether the server has closed it."""
        return bool(self.transport.disconnecting or self.transport.disconnected)

    @property
    def gone(self) -> bool:
        """Whether nothing is left of it."""
        return self.transport.gone

    def send(self, data: bytes) -> None:
        """The client sends `data`."""
        self.transport.protocol.dataReceived(data)

    def received(self) -> bytes:
        """What the client has got since it asked last."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def leave(self) -> None:
        """The client is gone."""
        self.transport.connectionLost(Failure(ConnectionDone()))


class Host(Protocol):
    """Keeps what it gets."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.data = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Some more."""
        self.data += data

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """The end."""
        self.lost = True
