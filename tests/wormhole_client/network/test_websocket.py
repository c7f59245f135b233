"""Tests of the WebSocket connection, and of what it relies on in Autobahn."""

from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.error import (
    ConnectionRefusedError as Refused,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, FakeTransport, text_frame, upgrade
from wormhole_client.network.websocket import (
    HANDSHAKE_SECONDS,
    HandshakeError,
    WebSocketConnection,
    open_websocket,
)

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Connection(WebSocketConnection):
    """Records what happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []
        self.end: Failure | None = None

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N803 - Autobahn's
        self.messages.append(payload)

    def ended(self, reason: Failure) -> None:
        self.end = reason


class OpenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.network = FakeNetwork()

    def open(self, headers: dict[str, str] | None = None) -> Deferred[Any]:
        return open_websocket(self.clock, self.network, "ws://host/v1", Connection, headers)

    def lose(self, opened: Deferred[Any], reason: Exception) -> Exception:
        [attempt] = self.network.dialed
        attempt.protocol.connectionLost(Failure(reason))
        error: Exception = self.failureResultOf(opened).value
        return error

    def test_open(self) -> None:
        """A connection is open after the handshake, has the response's headers and gets messages."""
        opened = self.open()
        self.assertNoResult(opened)
        upgrade(self.network.dialed[0], b"hello")
        connection = self.successResultOf(opened)
        self.assertEqual(connection.messages, [b"hello"])
        self.assertEqual(connection.response_headers["server"], "fake")
        self.assertEqual(self.network.addresses(), [("host", 80)])

    def test_headers(self) -> None:
        """The caller's headers are part of the request."""
        self.open({"X-Forwarded-For": "192.0.2.77"})
        request = self.network.dialed[0].succeed().value()
        self.assertIn(b"GET /v1 HTTP/1.1\r\n", request)
        self.assertIn(b"X-Forwarded-For: 192.0.2.77\r\n", request)

    def test_refused(self) -> None:
        """An HTTP answer other than 101 is a handshake error with its status."""
        opened = self.open()
        transport = self.network.dialed[0].succeed()
        self.network.dialed[0].protocol.dataReceived(NOT_FOUND)
        self.assertTrue(transport.aborted)
        error = self.lose(opened, ConnectionAborted())
        assert isinstance(error, HandshakeError)
        self.assertEqual(error.status, 404)

    def test_closed(self) -> None:
        """A host that closes the connection without an answer is a handshake error without a status."""
        opened = self.open()
        self.network.dialed[0].succeed()
        error = self.lose(opened, ConnectionDone())
        assert isinstance(error, HandshakeError)
        self.assertIsNone(error.status)

    def test_lost(self) -> None:
        """A failure of the network is passed on as it is."""
        opened = self.open()
        self.network.dialed[0].succeed()
        self.assertIsInstance(self.lose(opened, ConnectionLost("reset")), ConnectionLost)

    def test_not_connected(self) -> None:
        """A failure of the TCP connection is passed on as it is."""
        opened = self.open()
        self.network.dialed[0].result.errback(Refused())
        self.failureResultOf(opened, Refused)

    def test_silent(self) -> None:
        """A host that does not answer the handshake is given up."""
        opened = self.open()
        transport = self.network.dialed[0].succeed()
        self.assertFalse(transport.aborted)
        self.clock.advance(HANDSHAKE_SECONDS + 1)
        self.assertTrue(transport.aborted)
        error = self.lose(opened, ConnectionAborted())
        self.assertIn("timeout", str(error))

    def test_cancelled(self) -> None:
        """Cancelling drops a connection in the handshake, and a TCP connection that is not made yet."""
        for connected in (False, True):
            with self.subTest(connected=connected):
                self.network.dialed.clear()
                opened = self.open()
                [attempt] = self.network.dialed
                transport = attempt.succeed() if connected else None
                opened.cancel()
                self.failureResultOf(opened, CancelledError)
                self.assertTrue(transport.aborted if transport else attempt.cancelled)

    def test_not_a_url(self) -> None:
        """Another URL is refused before anything is connected."""
        with self.assertRaises(ValueError):
            open_websocket(self.clock, self.network, "http://host/v1", Connection)
        self.assertEqual(self.network.dialed, [])


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        network = FakeNetwork()
        opened = open_websocket(Clock(), network, "ws://host/v1", Connection)
        self.transport: FakeTransport = upgrade(network.dialed[0])
        self.connection: Any = self.successResultOf(opened)

    def test_send(self) -> None:
        """Text and binary messages are frames with opcode 1 and 2, masked."""
        self.connection.send(b"a", binary=False)
        self.connection.send(b"b", binary=True)
        sent = self.transport.value()
        self.assertEqual((sent[0:2], sent[7:9]), (b"\x81\x81", b"\x82\x81"))

    def test_ended(self) -> None:
        """The end of an open connection is reported once, with its reason."""
        self.connection.connectionLost(Failure(ConnectionLost()))
        self.assertTrue(self.connection.end.check(ConnectionLost))

    def test_send_while_closing(self) -> None:
        """During the closing handshake a message is dropped."""
        self.connection.close()
        sent = self.transport.value()
        self.assertEqual((sent[0] & 0x0F, sent[1] & 0x7F), (8, 2))
        self.connection.send(b"late", binary=False)
        self.assertEqual(self.transport.value(), sent)

    def test_abort(self) -> None:
        """Aborting drops the connection without a closing handshake."""
        self.connection.abort()
        self.assertTrue(self.transport.aborted)
        self.assertEqual(self.transport.value(), b"")

    def test_too_large(self) -> None:
        """A server that announces too large a message loses the connection."""
        self.connection.dataReceived(b"\x82\x7f" + (1 << 30).to_bytes(8, "big"))
        self.assertTrue(self.transport.aborted)

    def test_message(self) -> None:
        """A message in two pieces arrives whole."""
        frame = text_frame(b"whole")
        self.connection.dataReceived(frame[:3])
        self.connection.dataReceived(frame[3:])
        self.assertEqual(self.connection.messages, [b"whole"])


class AutobahnTests(SynchronousTestCase):
    """What the module relies on and Autobahn does not document."""

    def test_was_not_clean_reason(self) -> None:
        """A refused handshake leaves its HTTP status, in brackets, in `wasNotCleanReason`."""
        untyped: Any = WebSocketClientFactory
        factory = untyped("ws://host/v1", reactor=Clock())
        factory.protocol = WebSocketClientProtocol
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(FakeTransport())
        self.assertIsNone(protocol.wasNotCleanReason)
        protocol.dataReceived(NOT_FOUND)
        self.assertIn("upgrade failed [404]", protocol.wasNotCleanReason)
