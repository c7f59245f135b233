"""
Where connections to the web root come in: a client's plain WebSocket handshake goes straight to Autobahn.

Owns the look at the first bytes. twisted.web would parse the request, write it out again for Autobahn to
parse once more, and keep its own objects for as long as the connection lives: a tenth of the cost of an
exchange. Whatever is not such a handshake, whole and in one piece, is twisted.web's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocolFactory,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from wormhole_server.admission import Refusal
from wormhole_server.gate import Arrival, hand_over
from wormhole_server.http import PrivateSite
from wormhole_server.proxies.forwarded import headers_in
from wormhole_server.turned_away import TurnedAwayFromWeb

_HEAD_END = b"\r\n\r\n"
_UPGRADE = b"\r\nupgrade: websocket\r\n"
# A header that goes on in the next line, as nobody writes them any more.
_FOLDS: Final = (b"\r\n ", b"\r\n\t")


class FrontDoor(Factory):
    """
    Takes connections, and finds out whose they are.

    :param websockets: by path, such as `/v1`.
    :param site: for everything else.
    :param wait_seconds: how long a connection may say nothing at all.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        websockets: Mapping[bytes, WebSocketServerFactory],
        site: PrivateSite,
        wait_seconds: float,
    ) -> None:
        self.clock = clock
        self.site = site
        self.wait_seconds = wait_seconds
        self._beginnings = {
            b"GET " + path + b" HTTP/1.1\r\n": factory for path, factory in websockets.items()
        }

    def allow(self, seconds: float) -> None:
        """From the next connection on, let one say nothing, or take over a request, for so long."""
        self.wait_seconds = seconds
        self.site.timeOut = seconds

    def doStart(self) -> None:  # noqa: N802 - Factory prescribes it
        """A port begins to listen."""
        super().doStart()  # type: ignore[no-untyped-call]
        self.site.doStart()  # type: ignore[no-untyped-call]

    def doStop(self) -> None:  # noqa: N802
        """A port listens no more."""
        self.site.doStop()  # type: ignore[no-untyped-call]
        super().doStop()  # type: ignore[no-untyped-call]

    def logPrefix(self) -> str:
        """As the log knows it."""
        return self.site.logPrefix()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Nobody's, so far."""
        return Visitor(self, cast(IAddress, addr))

    def whose(self, data: bytes) -> IProtocolFactory:
        """Who is to have a connection whose first bytes are these."""
        websocket = self._beginnings.get(data[: data.find(b"\n") + 1])
        # Clients write it so; one that does not is served all the same, by the longer way.
        plain = (
            data.find(_HEAD_END) == len(data) - len(_HEAD_END)
            and _UPGRADE in data.lower()
            and not any(fold in data for fold in _FOLDS)
        )
        return cast(IProtocolFactory, websocket if websocket is not None and plain else self.site)


class Visitor(Protocol):
    """A connection that has said nothing yet."""

    def __init__(self, door: FrontDoor, address: IAddress) -> None:
        self._door = door
        self._address = address
        self._patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for it to say something."""
        self._patience = self._door.clock.callLater(self._door.wait_seconds, self._too_late)

    def dataReceived(self, data: bytes) -> None:
        """Hand the connection over; this protocol never hears of it again."""
        self._forget_patience()
        transport = self.transport
        factory = self._door.whose(data)
        address: IAddress | Refusal = self._address
        if isinstance(address, Arrival) and factory is not self._door.site:
            address = address.client(headers_in(data))
        host = (
            TurnedAwayFromWeb(self._door.clock, lambda _: None, address)
            if isinstance(address, Refusal)
            else factory.buildProtocol(address)
        )
        if transport is not None and host is not None:
            hand_over(transport, host, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """It has gone without a word."""
        self._forget_patience()

    def _too_late(self) -> None:
        self._patience = None
        cast(ITCPTransport, self.transport).abortConnection()

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
