"""Tests of `wormhole_server.listening.refused_connections`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.listening.connections import Transport
from wormhole_server.listening.limiter import RefusalReason
from wormhole_server.listening.refused_connections import (
    RESPONSES,
    RefusedConnection,
    RefusedRelayConnection,
    RefusedWebConnection,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class RefusedCase(SynchronousTestCase):
    def setUp(self) -> None:
        """A connection that is about to be refused."""
        self.clock = Clock()
        self.lost: list[RefusedConnection] = []
        self.transport = Transport()

    def connect(self, protocol: RefusedConnection) -> None:
        """Give it to `protocol`."""
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    def assert_times_out(self) -> None:
        """It is closed after three seconds, and no timer is left."""
        self.clock.advance(2.9)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(0.1)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class WebTests(RefusedCase):
    def respond(self, reason: RefusalReason, *pieces: bytes) -> bytes:
        """The response to the bytes of a client."""
        self.setUp()
        protocol = RefusedWebConnection(self.clock, self.lost.append, reason)
        self.connect(protocol)
        for piece in pieces:
            protocol.dataReceived(piece)
        return bytes(self.transport.value())

    def test_reasons(self) -> None:
        """Each reason has its status, Retry-After and text, with the length of the body."""
        for reason, (status, seconds, text) in RESPONSES.items():
            head, _, body = self.respond(reason, REQUEST).partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            self.assertEqual(lines[0], f"HTTP/1.1 {status.value} {status.phrase}")
            self.assertIn(f"Retry-After: {seconds}", lines)
            self.assertIn(f"Content-Length: {len(body)}", lines)
            self.assertIn("Connection: close", lines)
            self.assertEqual(body.decode(), f"{text}\n")
            self.assertTrue(self.transport.disconnecting)

    def test_pieces(self) -> None:
        """The response comes once, when the head is complete, wherever it was cut."""
        for cut in range(1, len(REQUEST)):
            self.assertEqual(self.respond(RefusalReason.FULL, REQUEST[:cut]), b"")
            response = self.respond(RefusalReason.FULL, REQUEST[:cut], REQUEST[cut:], b"more")
            self.assertEqual(response.count(b"HTTP/1.1 503 "), 1)

    def test_long_head(self) -> None:
        """A head without an end is answered when it is longer than any that is served."""
        self.assertEqual(self.respond(RefusalReason.FULL, bytes(16 * 1024)), b"")
        self.assertIn(b" 503 ", self.respond(RefusalReason.FULL, bytes(16 * 1024), b"x"))

    def test_health(self) -> None:
        """A health check is told that the server is alive, by GET and by HEAD; similar paths are not."""
        for request in (b"GET /healthz HTTP/1.1\r\n\r\n", b"HEAD /healthz HTTP/1.1\r\n\r\n"):
            self.assertIn(b"HTTP/1.1 200 OK\r\n", self.respond(RefusalReason.FULL, request))
        request = b"GET /healthzz HTTP/1.1\r\n\r\n"
        self.assertIn(b" 503 ", self.respond(RefusalReason.FULL, request))

    def test_tls(self) -> None:
        """A TLS handshake is answered with a fatal alert."""
        response = self.respond(RefusalReason.FULL, b"\x16", b"\x03\x01")
        self.assertEqual(response, bytes([21, 3, 3, 0, 2, 2, 80]))

    def test_timeout(self) -> None:
        """A client that sends nothing is disconnected."""
        self.respond(RefusalReason.FULL)
        self.assert_times_out()

    def test_lost(self) -> None:
        """A lost connection is reported once, and leaves no timer."""
        self.respond(RefusalReason.FULL, REQUEST)
        self.transport.protocol.close_now()
        self.assertEqual(self.lost, [self.transport.protocol])
        self.assertTrue(self.transport.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RelayTests(RefusedCase):
    def test_end_of_stream(self) -> None:
        """The client gets the end of the stream, may go on sending, and is then disconnected."""
        protocol = RefusedRelayConnection(self.clock, self.lost.append)
        self.connect(protocol)
        self.assertTrue(self.transport.half_closed)
        protocol.dataReceived(b"please relay")
        self.assertEqual(self.transport.value(), b"")
        self.assertFalse(self.transport.disconnecting)
        self.assert_times_out()
