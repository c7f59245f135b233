"""
What somebody is told who cannot be let in, before he is shown out.

Owns the words and the manners: a browser or a WebSocket client gets an answer to its request, the relay's
clients an end of the stream; all have a short time to take it. Knows nothing of why.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from wormhole_server.admission import Refusal

# For a request that is on its way, and for the client to close its own end: a few round trips.
_SECONDS: Final = 3.0
_HEAD_END: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 16 * 1024

# RFC 8446: a record that begins a handshake, and a fatal alert, internal_error, in answer to it. A handshake
# would cost more than all the rest, and be spent on somebody who has to go.
_TLS_HANDSHAKE: Final = b"\x16\x03"
_TLS_ALERT: Final = b"\x15\x03\x03\x00\x02\x02\x50"

# What the answer says: its status, when to come again, in seconds, and a sentence. A transfer is over in
# minutes; and the clients that are turned away are not to come back all at once before there is room.
ANSWERS: Final = {
    Refusal.FULL: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        30,
        "The server has as many connections as it can take. Try again in a minute.",
    ),
    Refusal.ADDRESS: (
        HTTPStatus.TOO_MANY_REQUESTS,
        60,
        "There are too many connections from your address. Close some, and try again.",
    ),
}


def answer(refusal: Refusal) -> bytes:
    """What a client that speaks HTTP is told."""
    status, seconds, sentence = ANSWERS[refusal]
    return _page(status, sentence, b"Retry-After: %d\r\n" % seconds)


def _page(status: HTTPStatus, sentence: str, more: bytes = b"") -> bytes:
    body = f"{sentence}\n".encode()
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Cache-Control: no-store\r\n%sConnection: close\r\n\r\n%s"
        % (status.value, status.phrase.encode(), len(body), more, body)
    )


# A server that is full is alive. A supervisor that heard otherwise would end it, and all who are in it.
_ALIVE: Final = _page(HTTPStatus.OK, "The server is alive, and full.")
_ALIVE_ASKED: Final = (b"GET /healthz ", b"HEAD /healthz ")


class TurnedAway(Protocol):
    """
    Somebody who is being shown out.

    :param gone: called with this when he is.
    """

    transport: ITCPTransport

    def __init__(self, clock: IReactorTime, gone: Callable[[TurnedAway], None]) -> None:
        self._clock = clock
        self._gone = gone
        self._patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """There is a limit to politeness."""
        self._patience = self._clock.callLater(_SECONDS, self._too_late)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """He is out."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._gone(self)

    def out_at_once(self) -> None:
        """
        Somebody else needs the place, now: its descriptor is closed when this returns.

        That is how a reactor ends a connection; a transport that is asked to would do so a turn later.
        """
        transport: Any = self.transport
        while isinstance(transport, ProtocolWrapper):
            transport = transport.transport
        transport.connectionLost(Failure(ConnectionDone()))

    def _too_late(self) -> None:
        self._patience = None
        self.transport.abortConnection()


class TurnedAwayFromWeb(TurnedAway):
    """Gets an answer to what he asks."""

    def __init__(
        self, clock: IReactorTime, gone: Callable[[TurnedAway], None], refusal: Refusal
    ) -> None:
        super().__init__(clock, gone)
        self._answer = answer(refusal)
        self._head = b""

    def dataReceived(self, data: bytes) -> None:
        """Answered when it is whole: some clients take no answer before."""
        if len(self._head) > _LONGEST_HEAD:
            return
        self._head += data
        if self._head.startswith(_TLS_HANDSHAKE):
            self._end(_TLS_ALERT)
        elif _HEAD_END in self._head or len(self._head) > _LONGEST_HEAD:
            alive = self._head.startswith(_ALIVE_ASKED)
            self._end(_ALIVE if alive else self._answer)

    def _end(self, last_words: bytes) -> None:
        self._head = bytes(_LONGEST_HEAD + 1)  # nothing more is read
        self.transport.write(last_words)
        self.transport.loseConnection()


class TurnedAwayFromRelay(TurnedAway):
    """
    Is told that nothing will come.

    What he sends is read all the same: bytes that nobody has read make the kernel reset the connection.
    """

    def connectionMade(self) -> None:
        """The end of the stream."""
        super().connectionMade()
        if isinstance(self.transport, ProtocolWrapper):  # TLS, which has no half-close
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
