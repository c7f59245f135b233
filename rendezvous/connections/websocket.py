"""
The WebSocket end of `/v1`: a connection that reads and writes frames for a `Client`, and its factory.

Owns when answers are sent, how connections end, and the options of both. Knows no command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from zope.interface import implementer

from rendezvous.connections.client import Client
from rendezvous.connections.open_connections import OpenConnections
from rendezvous.connections.output import FrameTransport
from rendezvous.observer import DropReason
from rendezvous.protocol import replies
from rendezvous.protocol.replies import StoredMessage
from rendezvous.server import Rendezvous
from wormhole_limits.ip_addresses import block_of
from wormhole_twisted.internals import is_tcp, note_held_bytes, read_freely, write_at_once
from wormhole_websocket.auto_ping import AutoPing, AutoPingOptions
from wormhole_websocket.autobahn import OpeningFactory
from wormhole_websocket.frames import (
    CloseCode,
    CloseReceived,
    MessageEvent,
    MessageReader,
    MessageReceived,
    PingReceived,
    PongReceived,
    ping_frame,
    text_frame,
)
from wormhole_websocket.protocol import WebSocketProtocol, WebSocketState

_log = Logger()

_CLOSE_SECONDS: Final = 2.0
"""Time for a client to answer a close frame: several round trips."""
_UNLIMITED: Final = 1 << 63
_BYTES_OF_UNIT: Final = 512
"""To read as much from a socket, and to copy it, is a unit of work."""
_READ_UNITS: Final = 8
"""To read at all; it is counted where a read brings nothing that is whole."""
_BARREN_READS: Final = 3
"""So many small reads in a row without anything whole are a flood: clients send messages in one piece."""


@attrs.frozen
class _Options:
    """What the connections made from now on have."""

    open_seconds: float
    close_seconds: float
    max_message_bytes: int
    auto_ping: AutoPingOptions


@implementer(IPushProducer)
class RendezvousProtocol(WebSocketProtocol):
    """
    One client's connection.

    It is a producer for its transport, which tells it so when too much waits to be sent.

    :param address: where the client connects from; None: the other end of the transport.
    """

    factory: RendezvousFactory

    def __init__(
        self, factory: RendezvousFactory, options: _Options, address: IAddress | None
    ) -> None:
        super().__init__(
            factory.openings, factory.clock, options.open_seconds, options.close_seconds
        )
        self.factory = factory
        # Not in the class: all connections share the names of these, see `share_attribute_names`.
        self.client: Client | None = None
        self._auto_ping: AutoPing | None = None
        self._direct = False
        self._options = options
        self._address = address
        self._reader = MessageReader(options.max_message_bytes)
        self.paused = False
        # Whether commands are handled only when others have been answered.
        self._held = False
        self._serving = False
        self._read_bytes = self._last_read = 0
        self._messages = 0
        self._barren = 0  # reads in a row
        # What this turn of the reactor brings together; an empty list would be an object of each connection.
        self._outgoing: list[bytes] | None = None

    @property
    def held_bytes(self) -> int:
        """How many bytes are kept of a message that is not whole."""
        return self._reader.unfinished_bytes

    @property
    def unfinished_message(self) -> int | None:
        """The number of the message that the client has begun and not finished, while it is read; or None."""
        return self._messages if self._reader.unfinished_bytes and not self.paused else None

    def connectionMade(self) -> None:
        """See `WebSocketProtocol.connectionMade`."""
        super().connectionMade()
        self._direct = is_tcp(self.transport)

    def opened(self) -> None:
        """Greet the client."""
        peer = self._address or self.transport.getPeer()
        self._address = None
        client = self.client = self.factory.new_client(self, block_of(peer))
        read_freely(self.transport)  # its frames are handled in turn
        self.transport.unregisterProducer()  # twisted.web's, where the connection began there
        self.transport.registerProducer(self, True)
        if self._options.auto_ping.interval_seconds:
            self._auto_ping = AutoPing(
                self.factory.clock, self._options.auto_ping, self._ping, self.abort
            )
        client.connected(peer)
        self.factory.connections.add(self)

    def bytes_received(self, data: bytes) -> None:
        """Carry out commands; anything that arrives is a sign of life."""
        if self.client is not None:
            self.client.heard = True
        if self._auto_ping is not None:
            self._auto_ping.heard()
        self._reader.feed(data)
        self._last_read = len(data)
        self._read_bytes += len(data)
        self._go_on()
        if self._reader.unfinished_bytes:
            note_held_bytes(self.transport)

    def serve(self, units: int) -> bool:
        """Handle frames; see `FrameTransport`."""
        self._serving, more = True, False
        try:
            more = self._take(units)
            if self.paused:
                self.flush()  # whoever waits in line pays for that as well
                if not more:
                    self._pay_for_reading()
                    self._read_if(wanted=not self._held)
        except Exception:
            self.failed()
        finally:
            self._serving = False
        return more

    def _take(self, units: int) -> bool:
        reader, client = self._reader, self.client
        spent, self._read_bytes = self._read_bytes // _BYTES_OF_UNIT, 0
        # Frame by frame, where the next message has to wait for the answer to this one.
        limited = client is not None and self.factory.scheduler.is_limited(client.task)
        while reader.ready and spent < units and not self._held:
            events, some = reader.take(1 if limited else units - spent)
            spent += some
            for event in events:
                if self.state is WebSocketState.CLOSED:
                    return False
                self._handle(event)
        if client is not None:
            self._barren = 0 if spent or reader.ready else self._barren + 1
            self.factory.scheduler.spend(client.task, spent or _READ_UNITS)
            if self._barren >= _BARREN_READS:
                self.factory.scheduler.flooded(client.task)
            client.task.stalled = reader.ready and self._held
        return reader.ready and not self._held and self.state is not WebSocketState.CLOSED

    def _pay_for_reading(self) -> None:
        """Whoever waited in line pays for what is read next, which is as much as the last time."""
        if self.client is not None and (units := self._last_read // _BYTES_OF_UNIT):
            self.factory.scheduler.spend(self.client.task, units)

    def _go_on(self) -> None:
        """Handle what has arrived, now or in turn. What waits keeps the end of the stream behind it."""
        client = self.client
        if client is not None and not self._held:
            self.factory.scheduler.arrived(client.task)
            if client.task.waiting:
                self._read_if(wanted=False)

    def _read_if(self, *, wanted: bool) -> None:
        if self.paused is wanted and self.state is not WebSocketState.CLOSED:
            self.paused = not wanted
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def _handle(self, event: MessageEvent) -> None:
        client = self.client
        if isinstance(event, MessageReceived):
            # In a text or a binary message alike.
            self._messages += 1
            if client is not None and self.state is WebSocketState.OPEN:
                client.received(event.payload)
        elif isinstance(event, PingReceived):
            if client is not None:
                client.pinged(event.payload)
        elif isinstance(event, PongReceived):
            if self._auto_ping is not None:
                self._auto_ping.answered(event.payload)
        elif isinstance(event, CloseReceived):
            self.closed_by_peer()
        else:
            if event.code is CloseCode.MESSAGE_TOO_BIG:
                self.factory.oversized()
            self.refuse(event)

    def lost(self) -> None:
        """Forget the client."""
        try:
            if self._auto_ping is not None:
                self._auto_ping.stop()
            if self.client is not None:
                client, self.client = self.client, None
                client.lost()
        finally:
            self.factory.connections.remove(self)

    def failed(self) -> None:
        """Close this connection, and no other."""
        self.factory.failed()
        self.abort()

    # What the client asks; see `FrameTransport`.

    def write(self, frame: bytes) -> None:
        """Send a frame; do nothing where the connection is closing."""
        if self.state is WebSocketState.OPEN:
            self.send_frame(frame)

    def pause(self) -> None:
        """Handle nothing more of what the client sends."""
        self._held = True
        self._read_if(wanted=False)

    def resume(self) -> None:
        """Handle what has arrived meanwhile, then read again."""
        self._held = False
        if self._serving:
            return
        if self._reader.ready:
            self._go_on()
        else:
            self._read_if(wanted=True)

    def drop(self, *, flush: bool) -> None:
        """End the connection, after what has been written where `flush` is set."""
        if flush:
            self.close_transport()
        else:
            self.abort()

    # Bytes out.

    def send_frame(self, frame: bytes) -> None:
        """Send a frame with all others of this turn of the reactor."""
        if not self._direct:
            self.transport.write(frame)
            return
        if self._outgoing is None:
            self._outgoing = []
            self.factory.connections.flush_later(self)
        self._outgoing.append(frame)

    def flush(self) -> None:
        """Send what this turn of the reactor has brought together."""
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is not None and self.state is not WebSocketState.CLOSED:
            write_at_once(self.transport, b"".join(outgoing))

    def go_away(self) -> None:
        """Close in good order: the server is stopping."""
        self.close(CloseCode.GOING_AWAY, "the server is going down")

    def _ping(self, payload: bytes) -> None:
        self.write(ping_frame(payload))

    # The producer.

    def pauseProducing(self) -> None:
        """The transport holds enough."""
        self._contain(Client.full)

    def resumeProducing(self) -> None:
        """The transport has sent all it had."""
        self._contain(Client.drained)

    def stopProducing(self) -> None:
        """The transport is closing; `lost` does the rest."""

    def _contain(self, call: Callable[[Client], None]) -> None:
        if self.client is not None:
            try:
                call(self.client)
            except Exception:
                self.failed()


class RendezvousFactory(ServerFactory):
    """
    Makes the connections of one rendezvous server; for parameters see `configure`.

    :ivar connections: those whose opening handshake is complete.
    """

    noisy = False

    def __init__(
        self,
        rendezvous: Rendezvous,
        *,
        max_message_bytes: int,
        open_handshake_seconds: float,
        allowed_origins: Sequence[str],
        options: Mapping[str, Any],
    ) -> None:
        self.clock = rendezvous.clock
        self.openings = OpeningFactory(self.clock, {})
        self.scheduler = rendezvous.scheduler
        self.connections = OpenConnections(self.scheduler, self.failed)
        self._rendezvous = rendezvous
        self._last: tuple[StoredMessage | None, bytes] = (None, b"")
        # For all clients: a method that is bound for each of them is an object of its own.
        self._frame_of = self._encode
        self.configure(
            max_message_bytes=max_message_bytes,
            open_handshake_seconds=open_handshake_seconds,
            allowed_origins=allowed_origins,
            options=options,
        )

    def configure(
        self,
        *,
        max_message_bytes: int,
        open_handshake_seconds: float,
        allowed_origins: Sequence[str],
        options: Mapping[str, Any],
    ) -> None:
        """
        Make connections like this from now on. Those that exist stay as they were made.

        :param max_message_bytes: a longer message of a client's ends its connection with code 1009.
        :param open_handshake_seconds: time for the opening handshake.
        :param allowed_origins: of browser pages, with `*` for any part.
        :param options: for Autobahn's `setProtocolOptions`; they replace those above.
        """
        openings = self.openings
        openings.configure(
            {
                "maxMessagePayloadSize": max_message_bytes,
                "openHandshakeTimeout": open_handshake_seconds,
                "closeHandshakeTimeout": _CLOSE_SECONDS,
                "allowedOrigins": list(allowed_origins),
                # Pages from files and sandboxes.
                "allowNullOrigin": True,
                "webStatus": False,
                **options,
            }
        )
        self._options = _Options(
            openings.option("openHandshakeTimeout"),
            openings.option("closeHandshakeTimeout"),
            openings.option("maxMessagePayloadSize") or _UNLIMITED,
            AutoPingOptions(
                openings.option("autoPingInterval"),
                openings.option("autoPingTimeout"),
                openings.option("autoPingSize"),
                openings.option("autoPingRestartOnAnyTraffic"),
            ),
        )

    def buildProtocol(self, addr: IAddress | None) -> RendezvousProtocol:  # type: ignore[override]
        """Make a connection for a client at `addr`; None: at the other end of the transport."""
        return RendezvousProtocol(self, self._options, addr)

    def new_client(self, transport: FrameTransport, block: int) -> Client:
        """Make the server's side of a connection whose handshake is complete."""
        return Client(self._rendezvous, transport, block, self._frame_of)

    def oversized(self) -> None:
        """Count a client that is dropped for the length of its message."""
        self._rendezvous.observer.dropped(DropReason.OVERSIZED)

    def failed(self) -> None:
        """Count and log an exception in one connection; called in `except`."""
        self._rendezvous.observer.internal_error()
        _log.failure("an unexpected error in one connection")

    def _encode(self, message: StoredMessage) -> bytes:
        """Return the frame of a stored message, which the listeners of a mailbox get one after the other."""
        if self._last[0] is not message:
            payload = replies.message(message, self._rendezvous.day())
            self._last = (message, text_frame(payload))
        return self._last[1]
