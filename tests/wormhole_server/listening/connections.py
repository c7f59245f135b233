"""Connections for tests, in memory, and the policies that limit them."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from wormhole_limits.bounds import BoundObserver
from wormhole_server.config.settings import Settings
from wormhole_server.listening.deny_list import ReloadableDenyList
from wormhole_server.listening.limiter import ConnectionObserver, ListenerKind, RefusalReason
from wormhole_server.listening.policy import ConnectionPolicy


class RefusalRecorder(ConnectionObserver):
    """Keeps the refusals."""

    def __init__(self) -> None:
        self.refusals: list[tuple[ListenerKind, RefusalReason]] = []

    def connection_refused(self, listener: ListenerKind, reason: RefusalReason) -> None:
        self.refusals.append((listener, reason))


def make_policy(
    observer: ConnectionObserver,
    descriptors: int | None = None,
    **settings: Any,
) -> ConnectionPolicy:
    """The policy of a server with such settings, in a process with unlimited descriptors."""
    made = attrs.evolve(Settings(), **settings)
    deny_list = ReloadableDenyList(made.deny_list, BoundObserver(), lambda _: None)
    deny_list.startService()
    return ConnectionPolicy(made, descriptors, observer, BoundObserver(), deny_list)


class Transport(StringTransport):
    """A transport that has a protocol, as Twisted's own have, and tells it when the connection is lost."""

    protocol: Any

    def connectionLost(self, reason: Failure) -> None:
        """As the reactor calls it."""
        self.lost = True
        self.protocol.connectionLost(reason)

    def loseWriteConnection(self) -> None:  # noqa: N802 - Twisted's
        """A half-close."""
        self.half_closed = True

    def abortConnection(self) -> None:
        """The reactor would close it in its next turn."""
        super().abortConnection()
        self._aborting = True

    lost = False
    half_closed = False
    _aborting = False

    # What Twisted's own transports have not sent.
    dataBuffer = b""  # noqa: N815
    offset = 0
    _tempDataBuffer: ClassVar[list[bytes]] = []  # noqa: N815


class Connection:
    """
    A connection to `factory`.

    :ivar transport: its `protocol` is the one that has the connection now.
    """

    def __init__(self, factory: Any, peer: IAddress | str = "192.0.2.7") -> None:
        self.peer = IPv4Address("TCP", peer, 1234) if isinstance(peer, str) else peer
        self.transport = Transport(peerAddress=self.peer)
        self.transport.protocol = factory.buildProtocol(self.peer)
        self.transport.protocol.makeConnection(self.transport)

    @property
    def protocol(self) -> Any:
        """The one that has the connection now."""
        return self.transport.protocol

    @property
    def closed(self) -> bool:
        """Whether the server has closed it."""
        return bool(self.transport.disconnecting or self.transport.disconnected)

    @property
    def lost(self) -> bool:
        """Whether the connection is lost."""
        return self.transport.lost

    def send(self, data: bytes) -> None:
        """The client sends `data`."""
        self.transport.protocol.dataReceived(data)

    def received(self) -> bytes:
        """What the client has received since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def lose(self) -> None:
        """The client closes the connection."""
        self.transport.connectionLost(Failure(ConnectionDone()))


class Recorder(Protocol):
    """Keeps what it receives."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.data = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        """Keep that."""
        self.lost = True
