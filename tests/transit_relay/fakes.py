"""Fakes for the relay's tests: transports in memory, an observer that keeps everything, limits."""

import socket
from collections.abc import Callable
from typing import Any, cast

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IPullProducer,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection as TcpConnection
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.wormhole_limits.fakes import BoundRecorder
from transit_relay.connection import Connection
from transit_relay.credit import Credit
from transit_relay.descriptor import Descriptor
from transit_relay.link import LinkFactory
from transit_relay.links.producer import ProducerLink
from transit_relay.observer import (
    ConnectionKind,
    ConnectionRecord,
    ConnectionState,
    Fallback,
    LinkKind,
    RelayMood,
    RelayObserver,
)
from transit_relay.relay import Relay
from transit_relay.session import Cause, HandedWebSocket, RelayLimits
from transit_relay.transport import IStreamTransport, WebSocketFraming
from wormhole_limits.bounds import BoundObserver

LIMITS = RelayLimits(
    handshake_seconds=30.0,
    wait_seconds=3600.0,
    idle_seconds=86400.0,
    drain_seconds=60.0,
    linger_seconds=5.0,
    keepalive_idle_seconds=120,
    keepalive_interval_seconds=30,
    keepalive_count=5,
    open_seconds=10.0,
    ping_seconds=60.0,
    pong_seconds=120.0,
    waiting_per_address=None,
    pair_rate=None,
    address_rate=None,
    total_rate=None,
    month_bytes=None,
    month_bytes_per_address=None,
    known_only=False,
)
NO_BOUNDS = BoundObserver()
# The time of day is not the steady clock's.
DAY_AHEAD = 1_000_000.0

TOKEN = b"0123456789abcdef" * 4
PEER_HOST = "192.0.2.77"
SIDES = (b"a1" * 8, b"b2" * 8, b"c3" * 8)


def make_relay(
    clock: IReactorTime,
    observer: RelayObserver,
    limits: RelayLimits = LIMITS,
    make_link: LinkFactory = ProducerLink,
    bounds: BoundObserver = NO_BOUNDS,
    is_known: Callable[[int], bool] = lambda _: True,
) -> Relay:
    day = lambda: clock.seconds() + DAY_AHEAD  # noqa: E731
    return Relay(clock, day, limits, observer, bounds, is_known, make_link)


def handshake(side: int | None = None, token: bytes = TOKEN) -> bytes:
    """What a client sends first."""
    if side is None:
        return b"please relay " + token + b"\n"
    return b"please relay " + token + b" for side " + SIDES[side] + b"\n"


class FakeObserver(RelayObserver):
    """Keeps every report."""

    def __init__(self) -> None:
        self.states: list[
            tuple[ConnectionKind, ConnectionState | None, ConnectionState | None]
        ] = []
        self.byte_counts: list[int] = []
        self.records: list[ConnectionRecord] = []
        self.errors = 0
        self.links: list[LinkKind] = []
        self.fallbacks: list[Fallback] = []
        self.pipe_bytes = 0

    def connection_state(
        self, kind: ConnectionKind, before: ConnectionState | None, after: ConnectionState | None
    ) -> None:
        self.states.append((kind, before, after))

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
    def moods(self) -> list[RelayMood]:
        """In the order in which the connections ended."""
        return [record.mood for record in self.records]


def connect_twisted(case: SynchronousTestCase, protocol: IProtocol) -> Any:
    """Twisted's own transport, with a socket that nothing arrives at, after it was given to `protocol`."""
    handle = socket.socket()
    case.addCleanup(handle.close)
    transport: Any = TcpConnection(handle, cast("Any", protocol), cast("Any", MemoryReactorClock()))
    transport.connected = True
    protocol.makeConnection(transport)
    return transport


class FakeRelayTransport:
    """Records what the relay does with a peer's transport."""

    def __init__(self, kind: ConnectionKind = ConnectionKind.TCP) -> None:
        self.kind = kind
        self.block = 0
        self.framing: WebSocketFraming | None = None
        self.credit: Credit | None = None
        self.can_be_handed_over = True
        self.transport: ITransport = StringTransport()
        self.socket: Descriptor | None = None
        self.paused = False
        self.congested = False
        self.sent = b""
        self.producer: IPushProducer | None = None
        self.finished: Cause | None = None
        self.aborted = False
        self.silent: float | None = None
        self.ended = False
        self.delivered = False
        self.frames: HandedWebSocket | None = None

    def write(self, data: bytes) -> None:
        self.sent += data

    def descriptor(self) -> Descriptor | None:
        return self.socket

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def attach(self, producer: IPushProducer) -> None:
        self.producer = producer

    def detach(self) -> None:
        self.producer = None

    def release(self) -> HandedWebSocket | None:
        if self.producer is not None:
            raise RuntimeError("a link writes to it")
        return self.frames

    def finish(self, cause: Cause, /) -> None:
        self.finished = cause
        self.resume()

    def abort(self) -> None:
        self.aborted = True

    def silent_seconds(self) -> float | None:
        return self.silent

    def has_ended(self) -> bool:
        return self.ended

    def has_delivered(self) -> bool:
        return self.delivered


class ConnectionCase(SynchronousTestCase):
    """A relay on a clock that the test advances, and transports that only record."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.observer = FakeObserver()
        self.bounds = BoundRecorder()
        self.known: set[int] = set()
        self.relay = make_relay(
            self.clock, self.observer, bounds=self.bounds, is_known=self.known.__contains__
        )

    def connect(
        self, *data: bytes, kind: ConnectionKind = ConnectionKind.TCP, block: int = 0
    ) -> tuple[FakeRelayTransport, Connection]:
        """A peer that has connected and sent `data`."""
        transport = FakeRelayTransport(kind)
        transport.block = block
        connection = self.relay.add_connection(transport)
        for piece in data:
            connection.receive(piece)
        return transport, connection

    def assert_nothing_left(self) -> None:
        """No connection is left, none waits, and no timer runs."""
        self.assertEqual(self.relay._connections, {})
        self.assertEqual(len(self.relay._pairing), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


@implementer(IStreamTransport)
@attrs.define(eq=False, slots=False)
class FakeTransport:
    """
    One end of a TCP connection, which behaves as Twisted's own transport does.

    What is written waits in `pending` until the peer takes it with `drain`. The peer's other actions are
    `deliver`, `end` and `reset`.
    """

    clock: Clock
    protocol: IProtocol = attrs.field(init=False)
    pending: bytes = b""
    reading: bool = True
    producer: IPushProducer | None = None
    producer_paused: bool = False
    write_ended: bool = False
    """The peer has been told that this was all."""
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
        """The peer's bytes arrive, which they cannot unless the transport is read."""
        if not (self.reading and self.connected):
            raise AssertionError("the transport is not read")
        self.protocol.dataReceived(data)

    def end(self) -> None:
        """The peer closes its direction."""
        if not (self.reading and self.connected):
            raise AssertionError("the transport is not read")
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
        """The peer takes everything that was written."""
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
