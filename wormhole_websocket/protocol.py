"""
The server's side of a WebSocket, as a Twisted protocol: opened, read as bytes, and closed.

Owns the states of a connection and the closing handshake (RFC 6455, sections 4 and 7). How frames are read,
and what messages mean, belongs to the classes that are derived from it.
"""

from __future__ import annotations

import enum
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from wormhole_twisted.internals import is_bare_tcp
from wormhole_websocket.autobahn import Opening, OpeningFactory
from wormhole_websocket.frames import CloseCode, Violation, close_frame
from wormhole_websocket.handshake import LONGEST_HEAD


class WebSocketState(enum.Enum):
    """How far a connection has come."""

    OPENING = enum.auto()  # the opening handshake is not complete
    OPEN = enum.auto()  # messages go both ways
    CLOSING = enum.auto()  # the server has sent a close frame and waits for the peer's
    CLOSED = enum.auto()  # the transport is closed, or closes once it has sent what it holds


class WebSocketProtocol(Protocol):
    """
    One connection. A derived class overrides the methods that do nothing here.

    :param openings: begins the opening handshake.
    :param clock: runs the timers.
    :param open_seconds: time for the opening handshake; 0: unlimited.
    :param close_seconds: time for the peer to answer a close frame; 0: unlimited.
    :ivar subprotocol: the subprotocol that the opening handshake has chosen, if any.
    """

    transport: Any  # ITCPTransport and IConsumer, or Twisted's wrappers of them

    def __init__(
        self,
        openings: OpeningFactory,
        clock: IReactorTime,
        open_seconds: float,
        close_seconds: float,
    ) -> None:
        self.state = WebSocketState.OPENING
        self.subprotocol: str | None = None
        self._openings = openings
        self._opening: Opening | None = None
        self._was_open = False
        self._clock = clock
        self._open_seconds = open_seconds
        self._close_seconds = close_seconds
        self._deadline: IDelayedCall | None = None

    # For derived classes to override.

    def opened(self) -> None:
        """Begin: the opening handshake is complete."""

    def bytes_received(self, data: bytes) -> None:
        """Read frames, of which the opening handshake may have left the first; the state is not CLOSED."""

    def lost(self) -> None:
        """Clean up: a connection that had been open is gone."""

    def failed(self) -> None:
        """Deal with an exception that was raised in this connection; called in `except`."""
        raise NotImplementedError

    def send_frame(self, frame: bytes) -> None:
        """Send a whole frame."""
        self.transport.write(frame)

    def flush(self) -> None:
        """Hand to the transport what `send_frame` holds back."""

    # For derived classes to call.

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, unless one was sent before; the peer's answer closes the transport."""
        if self.state is WebSocketState.OPEN:
            self.send_frame(close_frame(code, reason))
            self.flush()
            self.state = WebSocketState.CLOSING
            self._set_deadline(self._close_seconds)

    def refuse(self, violation: Violation) -> None:
        """
        Close because of the peer's fault; after a close frame it may be at fault once more.

        The peer's answer is not read any more. It sees the end of the stream behind the close frame, and
        closes the transport; to close it here would make the kernel drop what is still on its way.
        """
        if self.state is WebSocketState.CLOSING:
            self.close_transport()
        elif self.state is WebSocketState.OPEN:
            self.close(violation.code, violation.reason)
            if is_bare_tcp(self.transport):
                self.transport.unregisterProducer()
                self.transport.loseWriteConnection()

    def closed_by_peer(self) -> None:
        """Answer the peer's close frame, unless it is an answer itself, and close the transport."""
        if self.state is WebSocketState.OPEN:
            self.send_frame(close_frame(CloseCode.NORMAL))
        self.close_transport()

    def close_transport(self) -> None:
        """Close the transport once it has sent what it holds."""
        if self.state is not WebSocketState.CLOSED:
            self.flush()
            self._closed()
            # A transport does not close before a producer has finished.
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close the transport at once, even where it is closing already."""
        self._closed()
        self.transport.abortConnection()

    def reopen(self) -> None:
        """Go on with a connection that another process has opened, in place of `connectionMade`."""
        self._openings.reopened()
        self._opened(b"", b"")

    # What Twisted calls.

    def connectionMade(self) -> None:
        """A peer has connected."""
        self._set_deadline(self._open_seconds)

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived: of the opening handshake, then of frames."""
        if self.state is WebSocketState.CLOSED:
            return  # TLS delivers what arrives after the end
        try:
            if self.state is WebSocketState.OPENING:
                self._open(data)
            else:
                self.bytes_received(data)
        except Exception:
            self.failed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The transport is closed, by whomever."""
        self._closed()
        opening, self._opening = self._opening, None
        if self._was_open:
            try:
                self._openings.ended()
                self.lost()
            except Exception:
                self.failed()
        elif opening is not None:
            opening.connectionLost(reason)

    def _open(self, data: bytes) -> None:
        opening = self._opening
        if opening is None:
            response = self._openings.answer(self.transport, data)
            if response is not None:
                self._opened(response, data.partition(b"\r\n\r\n")[2])
                return
            opening = self._opening = self._openings.begin(self.transport)
        opening.dataReceived(data)
        if opening.has_failed:
            self.state = WebSocketState.CLOSED
        elif opening.unread is not None:
            self._opening = None
            self.subprotocol = opening.subprotocol
            self._opened(b"", opening.unread)
        elif len(opening.data) > LONGEST_HEAD:
            self.abort()

    def _opened(self, response: bytes, unread: bytes) -> None:
        """
        Go on with frames.

        :param response: what completes the handshake, unless Autobahn has sent it.
        :param unread: what has arrived behind the request.
        """
        self._was_open = True
        self.state = WebSocketState.OPEN
        self._set_deadline(0)
        if response:
            self.send_frame(response)
        self.opened()
        if unread:
            self.dataReceived(unread)

    def _closed(self) -> None:
        self.state = WebSocketState.CLOSED
        self._set_deadline(0)

    def _set_deadline(self, seconds: float) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = self._clock.callLater(seconds, self.abort) if seconds else None
