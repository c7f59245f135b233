"""Tests of `wormhole_server.front_door`."""

from __future__ import annotations

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.wormhole_server.browser import Connection
from wormhole_server.front_door import FrontDoor, Visitor
from wormhole_server.http import PrivateSite

HANDSHAKE = (
    b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class FrontDoorTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A door with a WebSocket behind it, and a site without pages."""
        self.clock = Clock()
        self.websocket = WebSocketServerFactory(reactor=self.clock)
        self.websocket.protocol = WebSocketServerProtocol
        site = PrivateSite("Site", self.clock, Resource(), 10.0)
        self.door = FrontDoor(self.clock, {b"/v1": self.websocket}, site, 10.0)
        self.connection = Connection(self.door)

    def test_plain_handshake(self) -> None:
        """A whole handshake is Autobahn's, which answers it; no timer of the door's is left."""
        self.connection.send(HANDSHAKE)
        self.assertIsInstance(self.connection.transport.protocol, WebSocketServerProtocol)
        self.assertIn(b" 101 ", self.connection.received())
        self.connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_everything_else(self) -> None:
        """What is no plain handshake for a WebSocket that is there is the site's."""
        for data in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"G",
            HANDSHAKE[:-1],
            HANDSHAKE + b"more",
            HANDSHAKE + HANDSHAKE,
            HANDSHAKE.replace(b"/v1", b"/v2"),
            HANDSHAKE.replace(b"Upgrade: WebSocket\r\n", b""),
            HANDSHAKE.replace(b"GET", b"POST"),
            b"\r\n" + HANDSHAKE,
            HANDSHAKE.replace(b"Host: x", b"Host: x\r\n y"),
            HANDSHAKE.replace(b"Host: x", b"Host: x\r\n\ty"),
            b"\x16\x03\x01\x02\x00",
        ):
            self.assertIs(self.door.whose(data), self.door.site, data)

    def test_handed_over_with_its_first_bytes(self) -> None:
        """The site gets what the door has looked at, and all that follows."""
        self.connection.send(b"GET /nothing HT")
        self.connection.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 404 ", self.connection.received())

    def test_silent(self) -> None:
        """A connection that says nothing is ended in time."""
        self.clock.advance(9.9)
        self.assertFalse(self.connection.transport.disconnected)
        self.clock.advance(0.2)
        self.assertTrue(self.connection.transport.disconnected)

    def test_another_time(self) -> None:
        """Who comes from now on has another time, to say anything and for a request."""
        self.door.allow(3.0)
        silent, slow = Connection(self.door), Connection(self.door)
        slow.send(b"GET / HT")
        self.clock.advance(3.1)
        self.assertTrue(silent.transport.disconnected)
        self.assertTrue(slow.transport.disconnecting)
        self.assertFalse(self.connection.transport.disconnected)

    def test_gone_in_silence(self) -> None:
        """One that goes before leaves no timer."""
        self.connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tls(self) -> None:
        """Behind TLS the protocol that TLS wraps is replaced."""
        visitor = self.door.buildProtocol(None)
        assert isinstance(visitor, Visitor)
        wrapper = ProtocolWrapper(WrappingFactory(self.door), visitor)
        wrapper.makeConnection(StringTransport())
        wrapper.dataReceived(HANDSHAKE)
        self.assertIsInstance(wrapper.wrappedProtocol, WebSocketServerProtocol)
