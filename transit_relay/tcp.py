"""
The relay over plain TCP (or any other stream): Twisted on one side, a connection on the other.

Owns how a stream is closed so that the peer gets all that was meant for it: send what is left, say
that this is the end (a TCP FIN), go on reading until the peer does the same. Knows no rules.
"""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from transit_relay import sockets
from transit_relay.connection import Connection
from transit_relay.descriptor import Descriptor, descriptor_of
from transit_relay.observer import End
from transit_relay.relay import Relay
from transit_relay.session import Cause
from transit_relay.wire import IStream


@implementer(IHalfCloseableProtocol)
class TransitProtocol(Protocol):
    """
    One peer on a stream; a `transit_relay.wire.Wire`.

    It is told of a half-close, not to support it (that ends the connection like any other close),
    but so as to still send what is on its way to a peer that has only closed its own direction.
    """

    end: Final = End.TCP
    framing: Final = None
    transport: IStream

    def __init__(self, relay: Relay) -> None:
        self.paused = False
        self.choked = False
        self.write: Callable[[bytes], None] = _nowhere
        self._relay = relay
        self._peer_ended = False
        self._finishing = False
        self._finished = False

    # What Twisted tells.

    def connectionMade(self) -> None:
        """A peer has come."""
        self.write = self.transport.write
        sockets.tune(self.transport, self._relay.limits)
        self._connection: Connection = self._relay.connected(self)

    def dataReceived(self, data: bytes) -> None:
        """The peer has sent something."""
        try:
            self._connection.receive(data)
        except Exception:
            self._connection.failed()

    def readConnectionLost(self) -> None:
        """The peer will send no more."""
        self._peer_ended = True
        if self._finishing:
            self.transport.loseConnection()
        else:
            self._connection.left()

    def writeConnectionLost(self) -> None:
        """All is sent, and the peer has been told that it is."""
        self._finished = True
        self._connection.flushed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's signature
        """The transport is gone."""
        self._connection.lost()

    # What the relay asks.

    def descriptor(self) -> Descriptor | None:
        """The socket beneath, if there is nothing in between."""
        return descriptor_of(self.transport)

    def pause(self) -> None:
        """Read no more for now."""
        self.paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        if not self._peer_ended:
            self.transport.resumeProducing()

    def attach(self, producer: IPushProducer) -> None:
        """Let `producer` know when there is too much to send."""
        self.transport.registerProducer(producer, True)

    def detach(self) -> None:
        """Forget the producer."""
        self.transport.unregisterProducer()

    def finish(self, _cause: Cause, /) -> None:
        """
        Send what is left, and say that it is the end.

        Reading goes on: a peer that cannot send may not come to receive, and bytes that are
        unread when the socket is closed make the kernel reset the connection.
        """
        self._finishing = True
        if self._peer_ended or isinstance(self.transport, ProtocolWrapper):
            self.transport.loseConnection()  # nothing will come; or TLS, which has no half-close
            return
        self.resume()
        self.transport.loseWriteConnection()

    def abort(self) -> None:
        """Close at once; gently, if all is in the kernel's hands already."""
        if self._finished:
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def silence(self) -> float | None:
        """Seconds since the peer's kernel last gave a sign of life."""
        return sockets.silence(self.transport)

    def has_ended(self) -> bool:
        """Whether the peer has closed its direction, though that may still be unread."""
        return sockets.has_ended(self.transport)


class TransitFactory(Factory):
    """Makes a `TransitProtocol` for each connection that an endpoint accepts."""

    noisy = False

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def buildProtocol(self, addr: IAddress | None) -> TransitProtocol:  # noqa: ARG002 - as above
        """A peer has come."""
        protocol = TransitProtocol(self._relay)
        protocol.factory = self
        return protocol


def _nowhere(_data: bytes) -> None:
    """There is no transport yet."""
