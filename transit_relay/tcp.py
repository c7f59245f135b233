"""
The relay over TCP, or any other stream: Twisted's transport on one side, a connection on the other.

Owns how a stream is closed so that the peer gets everything that was meant for it: send what is left, end the
relay's direction (a TCP FIN), and go on reading until the peer ends its own. Knows no rules.
"""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from transit_relay.connection import Connection
from transit_relay.descriptor import Descriptor, descriptor_of
from transit_relay.observer import ConnectionKind
from transit_relay.relay import Relay
from transit_relay.session import Cause
from transit_relay.transport import (
    IStreamTransport,
    RelayTransport,
    can_move,
    configure_socket,
    has_delivered,
    has_ended,
    silent_seconds,
)
from wormhole_limits.ip_addresses import block_of
from wormhole_twisted.internals import MOST_READ_BYTES, read_at_most, replace_protocol


@implementer(IHalfCloseableProtocol)
class TransitProtocol(Protocol):
    """
    One peer on a stream; a `transit_relay.transport.RelayTransport`.

    :param add: adds the peer to the relay; see `Relay.add_connection`, which is the default.

    A half-close ends the connection like any other close. The protocol asks to be told of it in order to send
    what is still on its way to a peer that has closed its own direction only.
    """

    kind: Final = ConnectionKind.TCP
    framing: Final = None
    credit: Final = None
    transport: IStreamTransport

    def __init__(
        self,
        relay: Relay,
        block: int,
        add: Callable[[RelayTransport], Connection] | None = None,
    ) -> None:
        self.block = block
        self._add = add or relay.add_connection
        self.paused = False
        self.congested = False
        self.write: Callable[[bytes], None] = _discard
        self._relay = relay
        self._peer_ended = False
        self._finishing = False
        self._finished = False

    # Called by Twisted.

    def connectionMade(self) -> None:
        """Add the peer to the relay."""
        self.write = self.transport.write
        try:
            configure_socket(self.transport, self._relay.limits)
            self._connection: Connection = self._add(self)
        except Exception:
            self._relay.handle_exception()
            replace_protocol(self.transport, Protocol())  # there is no connection to report to
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Pass on what the peer has sent."""
        try:
            self._connection.receive(data)
        except Exception:
            self._connection.handle_exception()

    def readConnectionLost(self) -> None:
        """End the connection: the peer sends no more."""
        self._peer_ended = True
        if self._finishing:
            self.transport.loseConnection()
        else:
            self._connection.peer_left()

    def writeConnectionLost(self) -> None:
        """Note that the kernel holds everything for the peer, its end included."""
        self._finished = True
        self._connection.flushed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's signature
        """End the connection: the transport is gone."""
        self._connection.transport_lost()

    # Called by the relay.

    @property
    def can_be_handed_over(self) -> bool:
        """See `RelayTransport.can_be_handed_over`."""
        return can_move(self.transport)

    def descriptor(self) -> Descriptor | None:
        """See `RelayTransport.descriptor`."""
        return descriptor_of(self.transport)

    def pause(self) -> None:
        """See `RelayTransport.pause`."""
        self.paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """See `RelayTransport.resume`."""
        self.paused = False
        self.transport.resumeProducing()

    def attach(self, producer: IPushProducer) -> None:
        """See `RelayTransport.attach`."""
        read_at_most(self.transport, MOST_READ_BYTES)
        self.transport.registerProducer(producer, True)

    def detach(self) -> None:
        """See `RelayTransport.detach`."""
        self.transport.unregisterProducer()

    def release(self) -> None:
        """See `RelayTransport.release`."""

    def finish(self, _cause: Cause, /) -> None:
        """
        Send what is left, then end the relay's direction.

        Reading goes on: a peer that cannot send may never come to receive, and bytes that are unread when the
        socket is closed make the kernel reset the connection.
        """
        self._finishing = True
        if self._peer_ended or isinstance(self.transport, ProtocolWrapper):
            self.transport.loseConnection()  # nothing more arrives; or TLS, which has no half-close
            return
        self.resume()
        self.transport.loseWriteConnection()

    def abort(self) -> None:
        """Close at once; without a reset if the kernel holds everything already."""
        if self._finished:
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def silent_seconds(self) -> float | None:
        """See `RelayTransport.silent_seconds`."""
        return silent_seconds(self.transport)

    def has_ended(self) -> bool:
        """See `RelayTransport.has_ended`."""
        return has_ended(self.transport)

    def has_delivered(self) -> bool:
        """See `RelayTransport.has_delivered`."""
        return has_delivered(self.transport)


class TransitFactory(Factory):
    """Makes a `TransitProtocol` for each connection that an endpoint accepts."""

    noisy = False

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def buildProtocol(self, addr: IAddress | None) -> TransitProtocol:
        """Make the protocol of one peer."""
        protocol = TransitProtocol(self._relay, block_of(addr))
        protocol.factory = self
        return protocol


def _discard(_data: bytes) -> None:
    """Send nothing: there is no transport yet."""
