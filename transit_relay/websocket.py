"""
The relay over WebSocket: Autobahn on one side, a connection on the other.

Owns the framing (binary messages only; their bounds mean nothing, so the bytes are handed on as
they come and never a whole message, nor a whole frame), the pings, and the close codes. Knows no
rules. All timers are on the clock that is passed in; Autobahn's own are off, for two reasons: they
run on a global reactor, and its ping takes a peer for dead that is not being read, or that is in
the middle of a large frame, where no pong can be.
"""

from collections.abc import Callable
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from transit_relay import sockets
from transit_relay.connection import Connection
from transit_relay.descriptor import Descriptor, descriptor_of
from transit_relay.frames import Frames, binary_header
from transit_relay.observer import End
from transit_relay.relay import Relay
from transit_relay.session import Cause
from transit_relay.wire import IStream

_LONGEST_HEAD: Final = 16 * 1024
"""Bytes that the opening handshake, an HTTP request without a body, may have."""

_CONTROL: Final = range(8, 16)
"""The opcodes of control frames (RFC 6455, section 5.5)."""

_LONGEST_CONTROL: Final = 125
"""Bytes that a control frame may have."""

_CODES: Final = {
    Cause.NOT_BINARY: 1003,  # unsupported data
    Cause.BAD_HANDSHAKE: 1008,  # policy violation
    Cause.IMPATIENT: 1008,
    Cause.FAILED: 1011,  # internal error
    Cause.SHUTDOWN: 1001,  # going away
}
"""The close codes of RFC 6455, section 7.4.1; in good order, it is 1000."""


_MOST_PONGS: Final = 16
"""Pongs that may wait to be sent. Only the newest ping needs an answer (RFC 6455, section 5.5.3), but a
peer that pings again before it could have read is no fault of its own."""


@implementer(IPushProducer)
class _Room:
    """Notes whether the transport of a peer that has no buddy takes more."""

    def __init__(self, websocket: "TransitWebSocket") -> None:
        self._websocket = websocket

    def pauseProducing(self) -> None:
        """It does not."""
        self._websocket.choked = True

    def resumeProducing(self) -> None:
        """It does again."""
        self._websocket.choked = False

    def stopProducing(self) -> None:
        """It is gone."""


class TransitWebSocket(WebSocketServerProtocol):
    """One peer on a WebSocket; a `transit_relay.wire.Wire`."""

    # Below "error", it tells what peers do wrong, and who they are.
    log = make_logger(level="error")  # type: ignore[no-untyped-call]
    end: Final = End.WEBSOCKET
    transport: IStream

    def __init__(self, relay: Relay, clock: IReactorTime) -> None:
        super().__init__()
        self.paused = False
        self.choked = False
        self._relay = relay
        self._clock = clock
        self._connection: Connection | None = None
        self._heard = False
        self._heard_at = 0.0
        self._descriptor: Descriptor | None = None
        self._take_frames: Callable[[Frames], None] | None = None
        self._lent: Frames | None = None
        self._skip = 0
        self._parsing = False
        self._pongs = 0

    @property
    def framing(self) -> "TransitWebSocket":
        """It does that itself."""
        return self

    # What Twisted and Autobahn tell.

    def connectionMade(self) -> None:
        """A peer has come; it has yet to open the WebSocket."""
        super().connectionMade()
        sockets.tune(self.transport, self._relay.limits)
        self._timer: IDelayedCall = self._clock.callLater(
            self._relay.limits.open_seconds, self.abort
        )

    def dataReceived(self, data: bytes) -> None:
        """The peer has sent something: HTTP at first, then frames, in pieces of any size."""
        if self.state == self.STATE_CLOSED:
            return  # TLS hands on what comes after the end, and Autobahn would keep it
        self._heard = True
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._parsing = True
        try:
            self._dataReceived(data)
        except Exception:
            self._failed()
            return
        finally:
            self._parsing = False
        if self.state == self.STATE_CONNECTING and len(self.data) > _LONGEST_HEAD:
            self.abort()
        elif self.failedByMe and self._connection is not None:
            self._connection.close(Cause.BROKEN_FRAMES)
        elif self._take_frames is not None:
            self._lend()

    def onOpen(self) -> None:
        """The WebSocket is open."""
        self.transport.unregisterProducer()  # twisted.web's HTTP channel, where it began with that
        self.transport.registerProducer(_Room(self), True)
        self._timer.cancel()
        self._connection = self._relay.connected(self)
        self._heard_at = self._clock.seconds()
        self._ping_later()

    def onFrameData(self, payload: bytes) -> bool | None:  # noqa: N802
        """A piece of a frame. Of a control frame that is too long, which has been refused, none is kept."""
        frame = self.current_frame
        if frame.opcode in _CONTROL and frame.length > _LONGEST_CONTROL:
            return None
        return super().onFrameData(payload)

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N803
        """A message begins."""
        if not isBinary and self._connection is not None:
            self._connection.close(Cause.NOT_BINARY)

    def onMessageFrameBegin(self, length: int) -> None:
        """A frame begins. (Autobahn would prepare to gather it.)"""

    def onMessageFrameData(self, payload: bytes) -> None:
        """A piece of a frame has come."""
        if payload and self._connection is not None and not self.failedByMe:
            self._connection.receive(payload)

    def onMessageFrameEnd(self) -> None:
        """A frame is over. (Autobahn would look at what it has gathered.)"""

    def onMessageEnd(self) -> None:
        """A message is over."""
        if self._connection is not None:
            self._connection.message_ended()

    def onPing(self, payload: bytes) -> None:
        """The peer wants an answer, which it has unless it leaves too many of them unread."""
        room = not self.choked if self._descriptor is None else self._descriptor.clear
        if room:
            self._pongs = 0
        if self._pongs < _MOST_PONGS:
            self._pongs += 1
            self.sendPong(payload)  # type: ignore[no-untyped-call]

    def onCloseFrame(self, code: int, reasonRaw: bytes) -> bool | None:  # noqa: N802, N803
        """The peer closes, or answers that we do."""
        stop = super().onCloseFrame(code, reasonRaw)
        if self._connection is not None and not self.failedByMe:
            self._connection.left()
        return stop

    def dropConnection(self, abort: bool = False) -> None:  # noqa: N802
        """Close as after a clean close: Autobahn resets then, which some clients call an error."""
        super().dropConnection(abort=abort and not self.wasClean)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: ARG002, N802
        """What Autobahn itself has to say: pings, pongs and closes."""
        if self._descriptor is not None:
            self._descriptor.clear = False
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is gone."""
        if self._timer.active():
            self._timer.cancel()
        try:
            super().connectionLost(reason)
        except Exception:
            self._failed()
        if self._connection is not None:
            self._connection.lost()

    # What the relay asks.

    def descriptor(self) -> Descriptor | None:
        """The socket beneath, if there is nothing but frames in between."""
        self.transport.unregisterProducer()
        self._descriptor = descriptor_of(self.transport)
        return self._descriptor

    def header(self, length: int) -> bytes:
        """The header of a frame of so many bytes."""
        return binary_header(length)

    def lend_frames(self, take: Callable[[Frames], None]) -> None:
        """Call `take` as soon as Autobahn is between two frames, with nothing of the next."""
        self._take_frames = take
        self._lend()

    def return_frames(self, frames: Frames | None) -> None:
        """Let Autobahn go on where `frames` are."""
        self._take_frames = None
        self._lent = None
        if frames is not None:
            self.inside_message = frames.inside
            self.data = frames.held
            self._skip = frames.left

    def write(self, data: bytes) -> None:
        """
        Send `data` as a message.

        Autobahn's own way to send joins header and payload, and formats log events, for each
        message. Nothing else that it does when it sends concerns us: there are no masks, fragments
        or extensions from a server.
        """
        if self.state == self.STATE_OPEN:
            self.transport.writeSequence((binary_header(len(data)), data))

    def pause(self) -> None:
        """Read no more for now."""
        self.paused = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        self.transport.resumeProducing()

    def attach(self, producer: IPushProducer) -> None:
        """Let `producer` know when there is too much to send."""
        self._descriptor = None
        self.transport.unregisterProducer()
        self.transport.registerProducer(producer, True)

    def detach(self) -> None:
        """Forget the producer."""
        self.transport.unregisterProducer()

    def finish(self, cause: Cause, /) -> None:
        """
        Send what is left, and then a close frame; Autobahn closes when the peer has answered it.

        (Where Autobahn itself has answered or sent one before, this does nothing more.)
        """
        self.resume()
        self.sendCloseFrame(code=_CODES.get(cause, 1000))

    def abort(self) -> None:
        """Close at once."""
        self.transport.abortConnection()

    def silence(self) -> float | None:
        """Seconds since the peer's kernel last gave a sign of life."""
        return sockets.silence(self.transport)

    def has_ended(self) -> bool:
        """Whether the peer has closed its direction, though that may still be unread."""
        return sockets.has_ended(self.transport)

    # The parts.

    def _failed(self) -> None:
        if self._connection is not None:
            self._connection.failed()
        else:
            self._relay.failed()
            self.abort()

    def _lend(self) -> None:
        if (
            self._take_frames is not None
            and not self._parsing
            and self.state == self.STATE_OPEN
            and self.current_frame is None
            and not self.data
        ):
            take, self._take_frames = self._take_frames, None
            self._lent = Frames(self.inside_message)
            take(self._lent)

    def _ping_later(self) -> None:
        self._timer = self._clock.callLater(self._relay.limits.ping_seconds, self._ping)

    def _ping(self) -> None:
        """
        Ping the peer; drop it if it has been silent for too long.

        Any byte is a sign of life: no pong can come in the middle of a frame. No silence counts
        while the peer is not being read, or does not read, as it could not answer.
        """
        now = self._clock.seconds()
        if self._lent is not None and self._lent.heard:
            self._lent.heard = False
            self._heard = True
        if self._heard or self.paused or self.choked:
            self._heard = False
            self._heard_at = now
        limits = self._relay.limits
        if now - self._heard_at >= limits.ping_seconds + limits.pong_seconds:
            self.abort()
            return
        if not self.choked:
            self.sendPing()
        self._ping_later()


class TransitWebSocketFactory(WebSocketServerFactory):
    """
    Makes a `TransitWebSocket` for each connection.

    Meant for `autobahn.twisted.resource.WebSocketResource`, at `/transit` of a web root.
    """

    noisy = False

    def __init__(self, relay: Relay, clock: IReactorTime) -> None:
        super().__init__(server="", reactor=clock)  # type: ignore[no-untyped-call]
        self._relay = relay
        self._clock = clock
        self.setProtocolOptions(  # type: ignore[no-untyped-call]
            webStatus=False,
            utf8validateIncoming=False,  # a text message is refused before any of it has come
            failByDrop=False,  # tell the peer what it did wrong
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            allowNullOrigin=True,  # pages from files and sandboxes are as welcome as any
        )

    def buildProtocol(self, addr: IAddress | None) -> TransitWebSocket:  # noqa: ARG002 - Twisted's
        """A peer has come."""
        protocol: Any = TransitWebSocket(self._relay, self._clock)
        protocol.factory = self
        websocket: TransitWebSocket = protocol
        return websocket
