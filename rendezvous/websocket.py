"""
Autobahn on one side, a `Client` on the other.

Owns what the server asks of Autobahn: its options, when a connection counts as open, and how it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from rendezvous import messages
from rendezvous.client import Client, Wire
from rendezvous.frames import take_messages, text_frame
from rendezvous.messages import StoredMessage
from rendezvous.observer import DropReason
from rendezvous.quiet import QuietLogger
from rendezvous.server import Rendezvous

_log = Logger()

# RFC 6455, 7.4.1.
_GOING_AWAY = 1001
# RFC 6455, 5.5.
_CONTROL = range(8, 16)
_LONGEST_CONTROL = 125
# A client that is told to go has so long to say goodbye.
_CLOSE_SECONDS = 2.0
# When clients are told to go one by one: between two turns, each with as many as it takes. Thousands of
# timers would do no better.
_TURN_SECONDS = 0.05


# What Autobahn keeps on each connection and does not look at again once the connection is open, or, as the
# last three, can share, since they are for what is not used here.
_HANDSHAKE_ONLY = frozenset(
    {
        "_transport_details",
        "_wskey",
        "http_headers",
        "http_request_data",
        "http_request_host",
        "http_request_params",
        "http_request_path",
        "http_request_uri",
        "http_response_data",
        "http_status_line",
        "websocket_extensions",
        "websocket_extensions_in_use",
        "websocket_origin",
        "websocket_protocols",
        "send_queue",
        "trafficStats",
        "utf8validator",
    }
)


class _Timer:
    """Runs Autobahn's timeouts on our clock; they would run on the global reactor."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def call_later(self, seconds: float, function: Callable[..., object]) -> IDelayedCall:
        return self._clock.callLater(seconds, function)


@implementer(IPushProducer)
class RendezvousProtocol(WebSocketServerProtocol):
    """
    One client's connection.

    It is a producer for its transport, which tells it so when too much waits to be sent. Names of its own
    are few, for Autobahn's classes have hundreds.
    """

    log = QuietLogger()
    factory: RendezvousFactory
    transport: Connection
    maxMessagePayloadSize: int  # noqa: N815 - Autobahn's
    utf8validateIncoming: bool  # noqa: N815
    client: Client | None = None
    came_from: IAddress | None = None
    deaf = False
    direct = False

    def __init__(self) -> None:
        super().__init__()
        self.outgoing: list[bytes] = []

    def onOpen(self) -> None:
        """The handshake is over."""
        self.client = self.factory.new_client(self)
        self.direct = isinstance(self.transport, Connection)
        peer, self.came_from = self.came_from or self.transport.getPeer(), None
        self._forget_handshake()
        self.factory.connections.add(self)
        if self.transport.producer is not None:
            # twisted.web's, where the connection began there.
            self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        self.client.greet(peer)
        if self.factory.leaving:
            self.go_away()

    def _forget_handshake(self) -> None:
        """
        Keep of what Autobahn has gathered only what an open connection needs.

        An idle connection lives for hours, and there are many. What is None or False, as most of it is,
        stands in the class once.
        """
        kind = type(self)
        kept = {}
        for name, value in vars(self).items():
            if name in _HANDSHAKE_ONLY and not (
                name == "utf8validator" and self.utf8validateIncoming
            ):
                continue
            if value is None or value is False:
                if not hasattr(kind, name):
                    setattr(kind, name, value)
                if getattr(kind, name) is value:
                    continue
            kept[name] = value
        self.__dict__ = kept

    def onFrameData(self, payload: bytes) -> bool | None:  # noqa: N802 - Autobahn's
        """A piece of a frame. Of a control frame that is too long, which has been refused, none is kept."""
        frame = self.current_frame
        if frame.opcode in _CONTROL and frame.length > _LONGEST_CONTROL:
            return None
        return super().onFrameData(payload)

    def onMessageFrame(self, payload: Any) -> None:
        """The pieces of a fragment; empty ones would be kept, and count against no limit."""
        super().onMessageFrame([piece for piece in payload if piece])  # type: ignore[arg-type] # its hint is wrong

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        """One command, in a text or a binary message alike."""
        if self.client is not None:
            self.client.received(payload)

    def dataReceived(self, data: bytes) -> None:
        """Any sign of life counts."""
        # TLS hands on what comes after the end. Autobahn would keep it.
        if self.deaf or self.state == self.STATE_CLOSED:
            return
        client = self.client
        if client is not None:
            client.heard = True
            # Between messages the short way is open.
            if not (self.data or self.current_frame or self.inside_message):
                payloads, data = take_messages(data, self.maxMessagePayloadSize)
                for payload in payloads:
                    if self.state == self.STATE_OPEN:
                        client.received(payload)
                if not data:
                    return
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection has gone, whoever ended it."""
        super().connectionLost(reason)
        if self.client is not None:
            client, self.client = self.client, None
            client.lost()
            self.factory.connection_lost(self)

    def _max_message_size_exceeded(self, *sizes_and_reason: Any) -> None:
        """Autobahn's hook: close with 1009, and do not store what the client still sends."""
        self.factory.oversized()
        super()._max_message_size_exceeded(*sizes_and_reason)
        self.deaf = True
        self.data = b""

    # The wire.

    def write(self, frame: bytes) -> None:
        """See `Wire.write`."""
        if self.state != self.STATE_OPEN:
            return
        if not self.direct:
            self.transport.write(frame)
            return
        if not self.outgoing:
            self.factory.flush_soon(self)
        self.outgoing.append(frame)

    def flush_out(self) -> None:
        """
        Send what this turn of the reactor has brought together.

        A transport would ask the reactor to be told when its socket takes bytes, which it nearly always
        does at once: two system calls and a turn saved, at every message.
        """
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        transport = self.transport
        if not data or self.state != self.STATE_OPEN or transport is None:
            return
        if not (transport.dataBuffer or transport._tempDataBuffer):  # noqa: SLF001 - nobody else tells
            sent = transport.writeSomeData(data)
            # A number, or an exception for the transport to meet again in its own way.
            if isinstance(sent, int):
                data = data[sent:]
        if data:
            transport.write(data)

    def onPing(self, payload: bytes) -> None:
        """A pong counts, like any answer, when the client does not read."""
        if self.client is not None:
            self.client.pinged(payload)

    def onCloseFrame(self, code: int, reasonRaw: bytes) -> bool | None:  # noqa: N802, N803 - Autobahn's
        """The client says goodbye: what it has been answered comes before the reply."""
        self.flush_out()
        return super().onCloseFrame(code, reasonRaw)

    def go_away(self) -> None:
        """Close in good order: the server is stopping."""
        self.flush_out()
        # Its public method lets applications say 1000 and their own codes only.
        self.sendCloseFrame(_GOING_AWAY, b"the server is going down")

    def pause(self) -> None:
        """See `Wire.pause`."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """See `Wire.resume`."""
        self.transport.resumeProducing()

    def drop(self, *, flush: bool) -> None:
        """See `Wire.drop`."""
        if flush:
            self.flush_out()
        elif self.state == self.STATE_CLOSED:
            # It was to end in good order, and waits for a client that does not read.
            self.transport.abortConnection()
        self.dropConnection(abort=not flush)

    # The producer.

    def pauseProducing(self) -> None:
        """The transport holds enough."""
        if self.client is not None:
            self.client.full()

    def resumeProducing(self) -> None:
        """The transport has sent all it had."""
        if self.client is not None:
            self.client.drained()

    def stopProducing(self) -> None:
        """The transport is going; `connectionLost` does the rest."""


def _not_a_method(value: Any) -> Any:
    """An option of Autobahn's that is a function does not take the connection."""
    return staticmethod(value) if callable(value) else value


class RendezvousFactory(WebSocketServerFactory):
    """
    Makes the connections of one rendezvous server; the WebSocket end of `/v1`.

    :param max_message_bytes: a longer message of a client's ends its connection with code 1009.
    :param allowed_origins: of browser pages, with `*` for any part.
    :param options: for Autobahn's `setProtocolOptions`, after ours.
    """

    log = QuietLogger()

    def __init__(
        self,
        rendezvous: Rendezvous,
        *,
        max_message_bytes: int = 256 * 1024,
        open_handshake_seconds: float = 10.0,
        allowed_origins: Sequence[str] = ("*",),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reactor=rendezvous.clock, server="")  # type: ignore[no-untyped-call]
        self._batched_timer = _Timer(rendezvous.clock)
        self.connections: set[RendezvousProtocol] = set()
        self.leaving = False
        self._when_empty: list[Deferred[None]] = []
        self._to_flush: list[RendezvousProtocol] = []
        self._rendezvous = rendezvous
        self._last: tuple[StoredMessage | None, bytes] = (None, b"")
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
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Make connections like this from now on. Those that there are stay as they were made."""
        self.resetProtocolOptions()  # type: ignore[no-untyped-call]
        self.setProtocolOptions(  # type: ignore[no-untyped-call]
            maxMessagePayloadSize=max_message_bytes,
            maxFramePayloadSize=max_message_bytes,
            openHandshakeTimeout=open_handshake_seconds,
            closeHandshakeTimeout=_CLOSE_SECONDS,
            allowedOrigins=list(allowed_origins),
            allowNullOrigin=True,
            # So that a client over the limit hears why.
            failByDrop=False,
            tcpNoDelay=True,
            webStatus=False,
            # Bad UTF-8 is answered, like any other bad message.
            utf8validateIncoming=False,
        )
        # Every call that does not name it turns it off.
        self.setProtocolOptions(**{"allowNullOrigin": True, **(options or {})})  # type: ignore[no-untyped-call]
        self._protocol = self._connection_class()

    def _connection_class(self) -> type[RendezvousProtocol]:
        """
        The class of connections with the options that are set now.

        Autobahn copies its options to every connection and formats them for a log, unless there are none
        to copy because the class has them.
        """
        names = (
            WebSocketServerProtocol.CONFIG_ATTRS_COMMON
            + WebSocketServerProtocol.CONFIG_ATTRS_SERVER
        )
        options_of_class = {name: _not_a_method(getattr(self, name)) for name in names}
        shared = {
            "CONFIG_ATTRS": (),
            "send_queue": (),
            "trafficStats": TrafficStats(),
            "utf8validator": Utf8Validator(),
        }
        return type("RendezvousConnection", (RendezvousProtocol,), {**options_of_class, **shared})

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A connection for a client at `addr`; None: at the other end of the transport."""
        protocol: RendezvousProtocol = self._protocol()
        protocol.factory = self
        protocol.came_from = addr
        return protocol

    def new_client(self, wire: Wire) -> Client:
        """The server's side of a connection whose handshake is over."""
        return Client(self._rendezvous, wire, self._frame_of)

    def oversized(self) -> None:
        """A client is being dropped for the length of its message."""
        self._rendezvous.observer.dropped(DropReason.OVERSIZED)

    def _frame_of(self, message: StoredMessage) -> bytes:
        """The frame of a stored message; the listeners of a mailbox ask for it one after the other."""
        if self._last[0] is not message:
            payload = messages.message(message, self._rendezvous.clock.seconds())
            self._last = (message, text_frame(payload))
        return self._last[1]

    @property
    def count(self) -> int:
        """How many clients are connected."""
        return len(self.connections)

    def connection_lost(self, connection: RendezvousProtocol) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self._tell_if_empty()

    def when_empty(self) -> Deferred[None]:
        """Fires when no client is connected."""
        empty: Deferred[None] = Deferred()
        self._when_empty.append(empty)
        self._tell_if_empty()
        return empty

    def _tell_if_empty(self) -> None:
        if not self.connections:
            waiting, self._when_empty = self._when_empty, []
            for each in waiting:
                each.callback(None)

    def flush_soon(self, connection: RendezvousProtocol) -> None:
        """Let the connection send when this turn of the reactor has brought all that it brings."""
        if not self._to_flush:
            self._rendezvous.clock.callLater(0, self._flush)
        self._to_flush.append(connection)

    def _flush(self) -> None:
        connections, self._to_flush = self._to_flush, []
        for connection in connections:
            try:
                connection.flush_out()
            except Exception:  # one connection's, whatever it is
                self._rendezvous.observer.internal_error()
                _log.failure("an error that nobody foresaw, while sending to one client")
                connection.dropConnection(abort=True)

    def go_away(self, spread_seconds: float = 0.0) -> None:
        """
        Tell every client that the server is stopping, and every one that still comes.

        :param spread_seconds: evenly over so long, so that they do not all come back in one moment.
        """
        self.leaving = True
        all_of_them = list(self.connections)
        count = max(len(all_of_them), 1)
        pause = max(spread_seconds / count, _TURN_SECONDS)
        number = ceil(count * pause / spread_seconds) if pause < spread_seconds else count
        self._go_away_in_turn(all_of_them, pause, number)

    def _go_away_in_turn(
        self, remaining: list[RendezvousProtocol], pause_seconds: float, number: int
    ) -> None:
        for connection in remaining[:number]:
            if connection in self.connections:
                connection.go_away()
        rest = remaining[number:]
        if rest:
            self._rendezvous.clock.callLater(
                pause_seconds, self._go_away_in_turn, rest, pause_seconds, number
            )

    def abort_all(self) -> None:
        """End every connection, and wait for nobody."""
        self.leaving = True
        for connection in tuple(self.connections):
            connection.transport.abortConnection()
