"""
Refused connections: the protocols that tell a client so before its connection is closed.

Owns the responses. A browser or a WebSocket client gets an HTTP response to its request, a client of the
relay the end of the stream; each has a short time to read it. Why a connection is refused is decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from wormhole_server.listening.limiter import RefusalReason
from wormhole_twisted.internals import close_now

# A few round trips: the request arrives, and the client closes its side.
_TIMEOUT_SECONDS: Final = 3.0
_HEAD_END: Final = b"\r\n\r\n"
_MAX_HEAD_BYTES: Final = 16 * 1024

# RFC 8446: the record that begins a handshake, and the fatal alert internal_error as the answer. A
# handshake would cost more than everything else, for a client that is refused in any case.
_TLS_HANDSHAKE: Final = b"\x16\x03"
_TLS_ALERT: Final = b"\x15\x03\x03\x00\x02\x02\x50"

# Status, Retry-After in seconds, and text. A transfer takes minutes, and refused clients should not all
# return before there is room.
RESPONSES: Final = {
    RefusalReason.FULL: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        30,
        "The server has reached its connection limit. Try again in a minute.",
    ),
    RefusalReason.ADDRESS: (
        HTTPStatus.TOO_MANY_REQUESTS,
        60,
        "There are too many connections from your address. Close some, and try again.",
    ),
}


def _response(status: HTTPStatus, text: str, headers: bytes = b"") -> bytes:
    body = f"{text}\n".encode()
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Cache-Control: no-store\r\n%sConnection: close\r\n\r\n%s"
        % (status.value, status.phrase.encode(), len(body), headers, body)
    )


# A full server is alive. A supervisor that was told otherwise would kill it, with all its connections.
_ALIVE: Final = _response(HTTPStatus.OK, "The server is alive, and full.")
_HEALTH_REQUESTS: Final = (b"GET /healthz ", b"HEAD /healthz ")


class RefusedConnection(Protocol):
    """
    A connection that is refused.

    :param lost: called with this protocol when the connection is lost.
    """

    transport: ITCPTransport

    def __init__(self, clock: IReactorTime, lost: Callable[[RefusedConnection], None]) -> None:
        self._clock = clock
        self._lost = lost
        self._timeout: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the timeout."""
        self._timeout = self._clock.callLater(_TIMEOUT_SECONDS, self._timed_out)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """Cancel the timeout."""
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
        self._lost(self)

    def close_now(self) -> None:
        """Close the connection, and free its file descriptor before this returns."""
        close_now(self.transport)

    def _timed_out(self) -> None:
        self._timeout = None
        self.transport.abortConnection()


class RefusedWebConnection(RefusedConnection):
    """Answers the client's request with the reason."""

    def __init__(
        self,
        clock: IReactorTime,
        lost: Callable[[RefusedConnection], None],
        reason: RefusalReason,
    ) -> None:
        super().__init__(clock, lost)
        self._reason = reason
        self._head = b""

    def dataReceived(self, data: bytes) -> None:
        """Respond when the head is complete: some clients read no response before."""
        if len(self._head) > _MAX_HEAD_BYTES:
            return
        self._head += data
        if self._head.startswith(_TLS_HANDSHAKE):
            self._respond(_TLS_ALERT)
        elif _HEAD_END in self._head or len(self._head) > _MAX_HEAD_BYTES:
            if self._head.startswith(_HEALTH_REQUESTS):
                self._respond(_ALIVE)
            else:
                status, seconds, text = RESPONSES[self._reason]
                self._respond(_response(status, text, b"Retry-After: %d\r\n" % seconds))

    def _respond(self, response: bytes) -> None:
        self._head = bytes(_MAX_HEAD_BYTES + 1)  # nothing more is read
        self.transport.write(response)
        self.transport.loseConnection()


class RefusedRelayConnection(RefusedConnection):
    """
    Ends the stream to the client.

    What the client sends is still read: unread bytes make the kernel reset the connection.
    """

    def connectionMade(self) -> None:
        """End the stream."""
        super().connectionMade()
        if isinstance(self.transport, ProtocolWrapper):  # TLS, which has no half-close
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
