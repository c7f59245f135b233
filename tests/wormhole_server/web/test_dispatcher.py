"""Tests of `wormhole_server.web.dispatcher`."""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection
from wormhole_server.web.dispatcher import UndecidedConnection, WebDispatcher
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.path_prefix import PathPrefix

HANDSHAKE = (
    b"GET /v1 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class WebDispatcherTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A dispatcher to a WebSocket, and to a site without pages."""
        self.clock = Clock()
        self.websocket = WebSocketServerFactory(reactor=self.clock)
        self.websocket.protocol = WebSocketServerProtocol
        self.scheduler = make_scheduler(self.clock)
        site = PrivateSite("Site", self.scheduler, Resource(), 10.0)
        starting = PrivateSite("Starting", self.scheduler, Resource(), 10.0)
        self.starting = False
        self.dispatcher = WebDispatcher(
            self.scheduler,
            PathPrefix(None),
            {b"/v1": self.websocket},
            site,
            starting,
            lambda: self.starting,
            10.0,
        )
        self.connection = Connection(self.dispatcher)

    def test_plain_handshake(self) -> None:
        """A whole handshake is Autobahn's, which answers it; no timer of the dispatcher's is left."""
        self.connection.send(HANDSHAKE)
        self.assertIsInstance(self.connection.transport.protocol, WebSocketServerProtocol)
        self.assertIn(b" 101 ", self.connection.received())
        self.connection.leave()
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def crowd(self) -> None:
        """Another address has used up what is done at once in this turn."""
        for address in (1, 2):
            task = self.scheduler.new_task(address, lambda _: False, opening=True)
            self.scheduler.arrived(task)
            self.scheduler.spend(task, 1000)

    def test_in_line(self) -> None:
        """A handshake that is one too many for a turn waits for the next, and nothing is read meanwhile."""
        self.crowd()
        self.connection.send(HANDSHAKE)
        self.assertEqual(self.connection.received(), b"")
        self.assertEqual(self.connection.transport.producerState, "paused")
        self.clock.advance(0)
        self.assertIn(b" 101 ", self.connection.received())
        self.assertEqual(self.connection.transport.producerState, "producing")

    def test_delivered_in_line(self) -> None:
        """What TLS delivers after a pause comes behind the handshake."""
        received: list[bytes] = []
        protocol = Protocol()
        self.patch(protocol, "dataReceived", received.append)
        self.patch(self.websocket, "buildProtocol", lambda _: protocol)
        self.crowd()
        self.connection.send(HANDSHAKE)
        self.connection.send(b"behind")
        self.clock.advance(0)
        self.assertEqual(received, [HANDSHAKE + b"behind"])

    def test_lost_in_line(self) -> None:
        """A client that leaves while it waits is answered by nobody."""
        self.crowd()
        self.connection.send(HANDSHAKE)
        self.connection.leave()
        self.clock.advance(0)
        self.assertEqual(self.connection.received(), b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_exception(self) -> None:
        """An exception while a connection is passed on closes that connection."""
        for owner, name in ((self.websocket, "buildProtocol"), (self.scheduler, "spend")):
            connection = Connection(self.dispatcher)
            self.crowd()
            connection.send(HANDSHAKE)
            patch = self.patch(owner, name, lambda *_: 1 // 0)
            self.clock.advance(0)
            patch.restore()
            self.assertTrue(connection.transport.disconnecting)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_starting(self) -> None:
        """While the server starts there is one site for everything, with the same time limit."""
        self.starting = True
        for data in (HANDSHAKE, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            found: Any = self.dispatcher.factory_for(data)
            self.assertEqual(found.logPrefix(), "Starting")
        self.dispatcher.allow(5.0)
        self.assertEqual(found.timeOut, 5.0)

    def test_frames_behind(self) -> None:
        """A handshake with frames behind it is Autobahn's as well."""
        for data in (HANDSHAKE + b"\x81\x80mask", HANDSHAKE + HANDSHAKE):
            self.assertIs(self.dispatcher.factory_for(data), self.websocket)

    def test_everything_else(self) -> None:
        """What is no plain handshake for a WebSocket that is there is the site's."""
        for data in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"G",
            HANDSHAKE[:-1],
            HANDSHAKE.replace(b"/v1", b"/v2"),
            HANDSHAKE.replace(b"Upgrade: WebSocket\r\n", b""),
            HANDSHAKE.replace(b"GET", b"POST"),
            b"\r\n" + HANDSHAKE,
            HANDSHAKE.replace(b"Host: x", b"Host: x\r\n y"),
            HANDSHAKE.replace(b"Host: x", b"Host: x\r\n\ty"),
            HANDSHAKE.replace(b"Host: x", b"Host: x\r\nContent-Length: 4"),
            HANDSHAKE.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked"),
            b"\x16\x03\x01\x02\x00",
        ):
            self.assertIs(self.dispatcher.factory_for(data), self.dispatcher.site, data)

    def test_handed_over_with_its_first_bytes(self) -> None:
        """The site gets what the dispatcher has looked at, and all that follows."""
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
        self.dispatcher.allow(3.0)
        silent, slow = Connection(self.dispatcher), Connection(self.dispatcher)
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
        visitor = self.dispatcher.buildProtocol(None)
        assert isinstance(visitor, UndecidedConnection)
        wrapper = ProtocolWrapper(WrappingFactory(self.dispatcher), visitor)
        wrapper.makeConnection(StringTransport())
        wrapper.dataReceived(HANDSHAKE)
        self.assertIsInstance(wrapper.wrappedProtocol, WebSocketServerProtocol)
