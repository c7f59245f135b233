"""
The relay over WebSocket: frames on one side, a connection on the other.

Owns the framing (binary messages only; their bounds mean nothing, so that bytes are handed on as they arrive
and never a whole message, nor a whole frame), the pings, and the close codes. Knows no rules.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from transit_relay.connection import Connection
from transit_relay.credit import GRANT_TOO_EARLY, SUBPROTOCOL, Credit, HandedCredit
from transit_relay.descriptor import Descriptor, descriptor_of
from transit_relay.observer import ConnectionKind, ConnectionState, notify
from transit_relay.relay import Relay
from transit_relay.session import Cause, HandedWebSocket
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
from wormhole_twisted.internals import MOST_READ_BYTES, note_held_bytes, read_at_most, waits_to_read
from wormhole_twisted.timer import RepeatingTimer
from wormhole_websocket.autobahn import OpeningFactory
from wormhole_websocket.frames import (
    CloseCode,
    CloseReceived,
    MessageEnded,
    PingReceived,
    StreamEvent,
    StreamReader,
    TextBegun,
    TextReceived,
    Violation,
    binary_header,
    ping_frame,
    pong_frame,
)
from wormhole_websocket.protocol import WebSocketProtocol, WebSocketState

_READ_BYTES: Final = 512
"""Read at a time from a peer without a buddy: its handshake has a quarter of that, and 73 pings as much."""

_CODES: Final = {
    Cause.NOT_BINARY: CloseCode.UNSUPPORTED_DATA,
    Cause.BAD_HANDSHAKE: CloseCode.POLICY_VIOLATION,
    Cause.IMPATIENT: CloseCode.POLICY_VIOLATION,
    Cause.TOO_MANY: CloseCode.POLICY_VIOLATION,
    Cause.USED_UP: CloseCode.POLICY_VIOLATION,
    Cause.STRANGER: CloseCode.POLICY_VIOLATION,
    Cause.FAILED: CloseCode.INTERNAL_ERROR,
    Cause.SHUTDOWN: CloseCode.GOING_AWAY,
}
"""For every other cause it is `NORMAL`."""

_GRANTING: Final = frozenset({ConnectionState.PAIRED, ConnectionState.CLOSING})
"""The states in which a peer may grant: it has been sent its ok, and its buddy may have left since."""


@implementer(IPushProducer)
class _BacklogObserver:
    """Notes whether the transport of a peer without a buddy holds enough."""

    def __init__(self, websocket: "TransitWebSocket") -> None:
        self._websocket = websocket

    def pauseProducing(self) -> None:
        """The transport holds enough."""
        self._websocket.congested = True

    def resumeProducing(self) -> None:
        """The transport has sent all of it."""
        self._websocket.congested = False

    def stopProducing(self) -> None:
        """Do nothing: `TransitWebSocket.lost` is called when the transport is gone."""


class TransitWebSocket(WebSocketProtocol):
    """
    One peer on a WebSocket; a `transit_relay.transport.RelayTransport`.

    :param add: adds the peer to the relay; see `Relay.add_connection`, which is the default.
    :param handed: the frames of a peer whose WebSocket another process has opened; None: it is to be opened.
    """

    kind: Final = ConnectionKind.WEBSOCKET
    transport: IStreamTransport

    def __init__(
        self,
        openings: OpeningFactory,
        relay: Relay,
        clock: IReactorTime,
        block: int,
        add: Callable[[RelayTransport], Connection] | None = None,
        handed: HandedWebSocket | None = None,
    ) -> None:
        # The connection limits the closing handshake, and what is sent before it.
        super().__init__(openings, clock, relay.limits.open_seconds, close_seconds=0)
        self.block = block
        self.paused = False
        self.credit: Credit | None = None
        self._congested = False
        self._relay = relay
        self._add = add or relay.add_connection
        self._handed = handed
        self._connection: Connection | None = None
        self._reader = StreamReader()
        self._set_aside: list[StreamEvent] = []
        self._pong: bytes | None = None
        self._heard = False
        self._heard_at = 0.0
        self._ping_timer = RepeatingTimer(
            clock, relay.limits.ping_seconds, self._ping_or_drop, self._ping_failed
        )
        self._descriptor: Descriptor | None = None

    @property
    def framing(self) -> "TransitWebSocket":
        """See `RelayTransport.framing`."""
        return self

    @property
    def held_bytes(self) -> int:
        """How many bytes are kept beside those that the transport holds."""
        withheld = 0 if self.credit is None else self.credit.withheld_bytes
        return withheld + self._reader.unfinished_bytes

    @property
    def congested(self) -> bool:
        """See `RelayTransport.congested`."""
        return self._congested

    @congested.setter
    def congested(self, congested: bool) -> None:
        self._congested = congested
        pong, self._pong = self._pong, None
        if pong is not None:
            self._answer(pong)

    # What `WebSocketProtocol` calls.

    def connectionMade(self) -> None:
        """A peer has connected."""
        try:
            configure_socket(self.transport, self._relay.limits)
            if self._handed is None:
                super().connectionMade()
            else:
                self.reopen()
        except Exception:
            self.failed()

    def opened(self) -> None:
        """Pass the peer to the relay."""
        self.transport.unregisterProducer()  # twisted.web's HTTP channel, where it began with that
        self.transport.registerProducer(_BacklogObserver(self), True)
        frames, self._handed = self._handed, None
        if frames is None:
            credit = HandedCredit() if self.subprotocol == SUBPROTOCOL else None
            frames = HandedWebSocket(credit=credit)
        if frames.credit is not None:
            self.credit = Credit(
                self.write, partial(note_held_bytes, self.transport), frames.credit
            )
        self._reader = StreamReader(texts=frames.credit is not None, position=frames.position)
        read_at_most(self.transport, _READ_BYTES)
        self._connection = self._add(self)
        self._heard_at = self._clock.seconds()
        self._ping_timer.startService()

    def bytes_received(self, data: bytes) -> None:
        """Read frames."""
        self._heard = True
        ping = None
        for event in self._reader.read_bytes(data):
            if isinstance(event, PingReceived):
                ping = event  # only the newest needs an answer
                continue
            if ping is not None and isinstance(event, CloseReceived | Violation):
                self._handle(ping)  # nothing can be sent behind a close frame
                ping = None
            self._handle(event)
        if ping is not None:
            self._handle(ping)

    def send_frame(self, frame: bytes) -> None:
        """Send a control frame, before anything that a link writes to the socket."""
        self._write_first(frame)

    def lost(self) -> None:
        """Tell the relay."""
        self._ping_timer.stopService()
        if self._connection is not None:
            self._connection.transport_lost()

    def failed(self) -> None:
        """Close this connection, and no other."""
        if self._connection is not None:
            self._connection.handle_exception()
        else:
            self._relay.handle_exception()
            self.abort()

    # What a link calls that reads from the socket.

    def header(self, length: int) -> bytes:
        """See `WebSocketFraming.header`."""
        return binary_header(length)

    def read_frames(self, memory: memoryview, start: int, end: int) -> list[memoryview]:
        """See `WebSocketFraming.read_frames`."""
        self._heard = True
        pieces = []
        for event in self._reader.read(memory, start, end):
            if isinstance(event, memoryview):
                pieces.append(event)
            elif not isinstance(event, MessageEnded):
                self._set_aside.append(event)
        return pieces

    @property
    def units(self) -> int:
        """See `WebSocketFraming.units`."""
        return self._reader.units

    def length_before_payload(self, data: bytes) -> int:
        """See `WebSocketFraming.length_before_payload`."""
        return self._reader.length_before_payload(data)

    def handle_control_frames(self) -> None:
        """See `WebSocketFraming.handle_control_frames`."""
        events, self._set_aside = self._set_aside, []
        for event in events:
            self._handle(event)

    # What the relay calls; see `RelayTransport`.

    @property
    def can_be_handed_over(self) -> bool:
        """See `RelayTransport.can_be_handed_over`."""
        return self.state is WebSocketState.OPEN and can_move(self.transport)

    def descriptor(self) -> Descriptor | None:
        """The socket below, if only frames are in between."""
        self.transport.unregisterProducer()
        self._descriptor = descriptor_of(self.transport)
        return self._descriptor

    def write(self, data: bytes) -> None:
        """Send `data` as a message."""
        if self.state is WebSocketState.OPEN:
            self._write_first(binary_header(len(data)), data)

    def pause(self) -> None:
        """Stop reading."""
        self.paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        self.transport.resumeProducing()

    def attach(self, producer: IPushProducer) -> None:
        """Pause `producer` whenever too much waits to be sent."""
        read_at_most(self.transport, MOST_READ_BYTES)
        self._descriptor = None
        self.transport.unregisterProducer()
        self.transport.registerProducer(producer, True)

    def detach(self) -> None:
        """Forget the producer."""
        self.transport.unregisterProducer()

    def release(self) -> HandedWebSocket:
        """See `RelayTransport.release`."""
        self._ping_timer.stopService()
        if self._pong is not None:
            self.transport.write(pong_frame(self._pong))
        credit = None if self.credit is None else self.credit.handed
        return HandedWebSocket(self._reader.position, credit)

    def finish(self, cause: Cause, /) -> None:
        """Send what is left, then a close frame; the peer's answer closes the transport."""
        self.resume()
        close = partial(self.close, _CODES.get(cause, CloseCode.NORMAL))
        if self.credit is None:
            close()
        else:
            self.credit.when_sent(close)

    def silent_seconds(self) -> float | None:
        """See `RelayTransport.silent_seconds`."""
        return silent_seconds(self.transport)

    def has_ended(self) -> bool:
        """See `RelayTransport.has_ended`."""
        return has_ended(self.transport)

    def has_delivered(self) -> bool:
        """See `RelayTransport.has_delivered`."""
        withheld = self.credit is not None and self.credit.withheld_bytes
        return not withheld and has_delivered(self.transport)

    # The parts.

    def _handle(self, event: StreamEvent) -> None:
        connection: Any = self._connection
        if isinstance(event, memoryview):
            connection.receive(bytes(event))
        elif isinstance(event, MessageEnded):
            connection.message_ended()
        elif isinstance(event, PingReceived):
            self._answer(event.payload)
        elif isinstance(event, TextReceived):
            self._read_grant(event)
        elif isinstance(event, TextBegun):
            connection.close(Cause.NOT_BINARY)
        elif isinstance(event, CloseReceived):
            self.closed_by_peer()
            connection.peer_left()
        elif isinstance(event, Violation):
            self._refuse(event)

    def _read_grant(self, text: TextReceived) -> None:
        credit: Any = self.credit
        connection: Any = self._connection
        granted: int | Violation = GRANT_TOO_EARLY
        if connection.session.state in _GRANTING:
            granted = credit.grants.feed(text.payload, final=text.final)
        if isinstance(granted, Violation):
            self._refuse(granted)
        elif granted:
            credit.grant(granted)

    def _refuse(self, violation: Violation) -> None:
        connection: Any = self._connection
        self.refuse(violation)
        connection.close(Cause.BROKEN_FRAMES)

    def _write_first(self, *pieces: bytes) -> None:
        """Send `pieces` before anything that a link writes to the socket."""
        if self._descriptor is not None:
            self._descriptor.clear = False
        self.transport.writeSequence(pieces)

    def _answer(self, payload: bytes) -> None:
        """
        Send a pong, or keep its payload until the transport has sent what it holds.

        Only the newest ping needs an answer (RFC 6455, section 5.5.3), so that one payload is kept.
        """
        if self._congested or (self._descriptor is not None and not self._descriptor.clear):
            self._pong = payload
        elif self.state is WebSocketState.OPEN:
            self.send_frame(pong_frame(payload))

    def _ping_failed(self) -> None:
        """Close this connection: nothing would find out that its peer is gone."""
        notify(self._relay.observer, self._relay.observer.internal_error)
        if self._connection is not None:
            self._connection.close(Cause.FAILED)

    def _ping_or_drop(self) -> None:
        """
        Ping the peer; drop it if it has been silent for too long.

        Any byte is a sign of life: no pong can come in the middle of a frame. No silence counts
        while the peer is not being read, or does not read, as it could not answer.
        """
        now = self._clock.seconds()
        if self._heard or self.paused or self._congested or waits_to_read(self.transport):
            self._heard = False
            self._heard_at = now
        limits = self._relay.limits
        if now - self._heard_at >= limits.ping_seconds + limits.pong_seconds:
            self.abort()
            return
        if not self._congested and self.state is WebSocketState.OPEN:
            self.send_frame(ping_frame())
        self._ping_timer.change_interval(limits.ping_seconds)


class TransitWebSocketFactory(ServerFactory):
    """Makes a `TransitWebSocket` for each connection to `/transit` of a web root."""

    noisy = False

    def __init__(self, relay: Relay, clock: IReactorTime) -> None:
        # Pages from files and sandboxes are as welcome as any.
        self._openings = OpeningFactory(
            clock, {"webStatus": False, "allowNullOrigin": True}, {SUBPROTOCOL}
        )
        self._relay = relay
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> TransitWebSocket:
        """Make a connection."""
        return TransitWebSocket(self._openings, self._relay, self._clock, block_of(addr))

    def reopen(
        self, block: int, add: Callable[[RelayTransport], Connection], handed: HandedWebSocket
    ) -> TransitWebSocket:
        """Make a connection that another process has opened; see `TransitWebSocket`."""
        return TransitWebSocket(self._openings, self._relay, self._clock, block, add, handed)
