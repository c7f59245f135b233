"""What the relay's tests stand on: a transport in memory, a wire that only records, an observer."""

from typing import cast

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IPullProducer,
    IPushProducer,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from transit_relay.connection import Connection
from transit_relay.observer import ConnectionRecord, End, Fallback, LinkKind, Mood, State
from transit_relay.relay import Relay
from transit_relay.session import Cause
from transit_relay.wire import IStream

TOKEN = b"0123456789abcdef" * 4
PEER_HOST = "192.0.2.77"
SIDES = (b"a1" * 8, b"b2" * 8, b"c3" * 8)


def handshake(side: int | None = None, token: bytes = TOKEN) -> bytes:
    """What a client writes first, as the client in the field writes it."""
    if side is None:
        return b"please relay " + token + b"\n"
    return b"please relay " + token + b" for side " + SIDES[side] + b"\n"


class Notes:
    """An observer that keeps all that it hears."""

    def __init__(self) -> None:
        self.states: list[tuple[End, State | None, State | None]] = []
        self.byte_counts: list[int] = []
        self.records: list[ConnectionRecord] = []
        self.errors = 0
        self.links: list[LinkKind] = []
        self.fallbacks: list[Fallback] = []
        self.pipe_bytes = 0

    def connection_state(self, link_end: End, before: State | None, after: State | None) -> None:
        self.states.append((link_end, before, after))

    def relayed(self, byte_count: int) -> None:
        self.byte_counts.append(byte_count)

    def finished(self, record: ConnectionRecord) -> None:
        self.records.append(record)

    def internal_error(self) -> None:
        self.errors += 1

    def linked(self, kind: LinkKind) -> None:
        self.links.append(kind)

    def fell_back(self, why: Fallback) -> None:
        self.fallbacks.append(why)

    def pipe_memory(self, byte_count: int) -> None:
        self.pipe_bytes = byte_count

    @property
    def moods(self) -> list[Mood]:
        """In the order in which the connections were gone."""
        return [record.mood for record in self.records]


class FakeWire:
    """A wire without a transport: it records what the relay asks."""

    def __init__(self, end: End = End.TCP) -> None:
        self.end = end
        self.framing = None
        self.paused = False
        self.choked = False
        self.sent = b""
        self.producer: IPushProducer | None = None
        self.finished: Cause | None = None
        self.aborted = False
        self.silent_for: float | None = None
        self.ended = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def descriptor(self) -> None:
        return None

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def attach(self, producer: IPushProducer) -> None:
        self.producer = producer

    def detach(self) -> None:
        self.producer = None

    def finish(self, cause: Cause, /) -> None:
        self.finished = cause

    def abort(self) -> None:
        self.aborted = True

    def silence(self) -> float | None:
        return self.silent_for

    def has_ended(self) -> bool:
        return self.ended


class ConnectionCase(SynchronousTestCase):
    """A relay with a clock of our own, and wires that only record."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.notes = Notes()
        self.relay = Relay(self.clock, observer=self.notes)

    def connect(self, *data: bytes, end: End = End.TCP) -> tuple[FakeWire, Connection]:
        """A peer that has come, and sent `data`."""
        wire = FakeWire(end)
        connection = self.relay.connected(wire)
        for piece in data:
            connection.receive(piece)
        return wire, connection

    def assert_nothing_left(self) -> None:
        """No connection, no one that waits, no timer."""
        self.assertEqual(self.relay._connections, {})
        self.assertEqual(len(self.relay._pairing), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


@implementer(IStream)
@attrs.define(eq=False)
class FakeTransport:
    """
    One end of a TCP connection, with the manners of Twisted's own transport.

    What is written waits in `pending` until `drain` puts it into the peer's hands. What the peer
    does is `deliver`, `end` and `reset`.
    """

    clock: Clock
    protocol: IProtocol = attrs.field(init=False)
    pending: bytes = b""
    reading: bool = True
    producer: IPushProducer | None = None
    producer_paused: bool = False
    write_ended: bool = False
    """The peer has been told that nothing more will come."""
    connected: bool = True
    aborted: bool = False
    _losing: bool = False
    _losing_write: bool = False

    BUFFER = 65536

    def connect(self, protocol: IProtocol) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    # The peer.

    def deliver(self, data: bytes) -> None:
        """The peer's bytes arrive; which they cannot while nobody reads."""
        if not (self.reading and self.connected):
            raise AssertionError("nobody reads")
        self.protocol.dataReceived(data)

    def end(self) -> None:
        """The peer closes its direction."""
        if not (self.reading and self.connected):
            raise AssertionError("nobody reads")
        self.reading = False
        half = IHalfCloseableProtocol(self.protocol, None)
        if half is not None:
            half.readConnectionLost()
        else:
            self._lost(ConnectionDone())

    def reset(self) -> None:
        """The connection breaks."""
        self._lost(ConnectionLost())

    def drain(self) -> bytes:
        """The peer takes all that is there for it."""
        taken, self.pending = self.pending, b""
        if self.producer is not None and self.producer_paused:
            self.producer_paused = False
            self.producer.resumeProducing()
        elif self._losing:
            self._lost(ConnectionDone())
        elif self._losing_write and not self.write_ended:
            self.write_ended = True
            half = IHalfCloseableProtocol(self.protocol, None)
            if half is not None:
                half.writeConnectionLost()
        return taken

    # The protocol.

    def write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(data)
        if self.connected and not self.write_ended:
            self.pending += data
            if self.producer is not None and len(self.pending) > self.BUFFER:
                self.producer_paused = True
                self.producer.pauseProducing()

    def writeSequence(self, iovec: object) -> None:
        self.write(b"".join(cast("tuple[bytes, ...]", iovec)))

    def registerProducer(self, producer: object, streaming: bool) -> None:
        if self.producer is not None:
            raise RuntimeError("there is a producer already")
        if not streaming:
            cast("IPullProducer", producer).resumeProducing()
        self.producer = cast("IPushProducer", producer)

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        if self.connected and not self._losing:
            self.reading = True

    def stopProducing(self) -> None:
        self.loseConnection()

    def loseConnection(self) -> None:
        if not self.connected or self._losing:
            return
        self.reading = False
        if self.write_ended:
            self._lost(ConnectionDone())
        else:
            self._losing = True

    def loseWriteConnection(self) -> None:  # noqa: N802
        self._losing_write = True

    def abortConnection(self) -> None:
        if self.connected and not self.aborted:
            self.aborted = True
            self.reading = False
            self.clock.callLater(0, self._lost, ConnectionAborted())

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 4000)

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", PEER_HOST, 50123)

    def getTcpNoDelay(self) -> bool:  # noqa: N802
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        pass

    def getTcpKeepAlive(self) -> bool:  # noqa: N802
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        pass

    def _lost(self, why: Exception) -> None:
        if not self.connected:
            return
        self.connected = False
        self.reading = False
        if self.producer is not None:
            self.producer.stopProducing()
            self.producer = None
        self.protocol.connectionLost(Failure(why))
