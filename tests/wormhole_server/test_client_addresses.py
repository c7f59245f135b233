"""Tests of how a client's address gets from a proxy through gate, front door and web site to a WebSocket."""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from tests.wormhole_server.arrivals import Connection
from wormhole_server.admission import Admissions, ConnectionLimits, Entrance
from wormhole_server.gate import Gate
from wormhole_server.http import Page
from wormhole_server.proxies.trust import Trust, parse_trusted_proxy
from wormhole_server.readiness import Readiness
from wormhole_server.web import came_securely, web_site

HANDSHAKE = (
    b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PROXY = "10.0.0.1"
CLIENT = IPv4Address("TCP", "203.0.113.5", 0)


class Sockets(WebSocketServerFactory):
    """
    A WebSocket.

    :ivar came: the addresses that its clients came from.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(reactor=clock)
        self.protocol = WebSocketServerProtocol
        self.came: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        """A client."""
        self.came.append(addr)
        return super().buildProtocol(addr)


class Root(Page):
    """Notes how those who ask have come."""

    def __init__(self) -> None:
        super().__init__()
        self.secure: list[bool] = []

    def getChild(self, path: bytes, request: Request) -> Resource:  # type: ignore[override]
        """The root itself has an empty name."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        """Somebody asks."""
        self.secure.append(came_securely(request))
        return b""


def ready() -> Deferred[None]:
    return succeed(None)


class ClientAddressTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A web root behind a gate that trusts one proxy and lets an address have one connection."""
        clock = Clock()
        self.sockets = Sockets(clock)
        self.root = Root()
        web = web_site(
            clock,
            rendezvous=self.sockets,
            relay=None,
            check=ready,
            readiness=Readiness(),
            root=self.root,
            request_seconds=10.0,
        )
        limits = ConnectionLimits(None, 1)
        trust = Trust((parse_trusted_proxy(PROXY),))
        self.gate = Gate(clock, web, Admissions(limits), Entrance.RENDEZVOUS, trust, 5.0)

    def ask(self, peer: str, headers: bytes, pieces: int = 1) -> Connection:
        """A WebSocket handshake, in so many pieces: in one it goes past twisted.web."""
        connection = Connection(self.gate, peer)
        data = HANDSHAKE.replace(b"Host: x\r\n", b"Host: x\r\n" + headers)
        for start in range(0, len(data), step := -(-len(data) // pieces)):
            connection.send(data[start : start + step])
        return connection

    def test_scheme(self) -> None:
        """A trusted proxy says whether its client came through TLS; what others say of that is nothing."""
        for peer, scheme, expected in (
            (PROXY, b"https", True),
            (PROXY, b"http, HTTPS", True),
            (PROXY, b"https, http", False),
            (PROXY, b"", False),
            ("203.0.113.9", b"https", False),
        ):
            self.root.secure.clear()
            connection = Connection(self.gate, peer)
            connection.send(
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: " + scheme + b"\r\n\r\n"
            )
            connection.leave()
            self.assertEqual(self.root.secure, [expected])

    def test_forwarded(self) -> None:
        """What the proxy says counts, on both ways to a WebSocket."""
        for pieces in (1, 3):
            connection = self.ask(PROXY, b"X-Forwarded-For: 1.1.1.1, 203.0.113.5\r\n", pieces)
            self.assertIn(b" 101 ", connection.received())
            connection.leave()
        self.assertEqual(self.sockets.came, [CLIENT, CLIENT])

    def test_folded(self) -> None:
        """A header that goes on in the next line is read to its end."""
        self.ask(PROXY, b"X-Forwarded-For: 1.1.1.1,\r\n 203.0.113.5\r\n")
        self.assertEqual(self.sockets.came, [CLIENT])

    def test_stranger(self) -> None:
        """What anybody else says does not, on either way."""
        for pieces in (1, 3):
            connection = self.ask("192.0.2.7", b"X-Forwarded-For: 203.0.113.5\r\n", pieces)
            self.assertEqual(self.sockets.came.pop(), connection.peer)
            connection.leave()

    def test_too_many(self) -> None:
        """Who has too many is answered with 429 and when to come again, on both ways."""
        self.ask(PROXY, b"X-Forwarded-For: 203.0.113.5\r\n")
        for pieces in (1, 3):
            answer = self.ask(PROXY, b"X-Real-IP: 203.0.113.5\r\n", pieces).received()
            self.assertIn(b" 429 ", answer)
            self.assertIn(b"retry-after: 60", answer.lower())
        self.assertEqual(len(self.sockets.came), 1)

    def test_pages(self) -> None:
        """Pages are for anybody: a proxy asks for many clients over one connection."""
        connection = Connection(self.gate, PROXY)
        for _ in range(3):
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n")
            self.assertIn(b" 200 ", connection.received())
