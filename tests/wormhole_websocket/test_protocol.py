"""Tests of `wormhole_websocket.protocol`: the states of a connection."""

from __future__ import annotations

import random

from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_websocket.comparison import BEGUN, MASK, NEXT, Servers, frames
from tests.wormhole_websocket.fakes import ACCEPT, REQUEST, MemoryTransport
from wormhole_websocket.autobahn import OpeningFactory
from wormhole_websocket.frames import CloseCode, Opcode, Violation, client_frame, close_frame
from wormhole_websocket.protocol import WebSocketProtocol, WebSocketState

VIOLATION = Violation(CloseCode.PROTOCOL_ERROR, "wrong")


class Recorder(WebSocketProtocol):
    """A connection that notes what it is told; frames wait for `flush`."""

    def __init__(self, openings: OpeningFactory, clock: Clock) -> None:
        super().__init__(openings, clock, open_seconds=10.0, close_seconds=2.0)
        self.calls: list[str] = []
        self.received = b""
        self.waiting = b""

    def opened(self) -> None:
        self.calls.append("opened")

    def bytes_received(self, data: bytes) -> None:
        self.received += data
        if data == b"raise":
            raise ZeroDivisionError

    def lost(self) -> None:
        self.calls.append("lost")

    def failed(self) -> None:
        self.calls.append(f"failed: {type(Failure().value).__name__}")
        self.abort()

    def send_frame(self, frame: bytes) -> None:
        self.waiting += frame

    def flush(self) -> None:
        waiting, self.waiting = self.waiting, b""
        self.transport.write(waiting)


class ProtocolCase(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.openings = OpeningFactory(self.clock, {"webStatus": False})
        self.connection = Recorder(self.openings, self.clock)
        self.transport = MemoryTransport()
        self.connection.makeConnection(self.transport)

    def open(self) -> None:
        """Complete the opening handshake."""
        self.connection.dataReceived(REQUEST)
        self.connection.flush()
        self.assertIn(ACCEPT, self.transport.take())

    def assert_state(self, state: WebSocketState, *, timers: int) -> None:
        """It has this state, and so many timers run."""
        self.assertIs(self.connection.state, state)
        self.assertEqual(len(self.clock.getDelayedCalls()), timers)


class OpeningTests(ProtocolCase):
    """The opening handshake."""

    def test_opened(self) -> None:
        """A complete request opens the connection, and ends its time."""
        self.assert_state(WebSocketState.OPENING, timers=1)
        self.open()
        self.assert_state(WebSocketState.OPEN, timers=0)
        self.assertEqual((self.connection.calls, self.connection.received), (["opened"], b""))
        self.connection.dataReceived(b"frames")
        self.assertEqual(self.connection.received, b"frames")

    def test_subprotocol(self) -> None:
        """The subprotocol is known once the connection is open."""
        self.openings.subprotocols = {"x"}
        self.connection.dataReceived(REQUEST[:-2] + b"Sec-WebSocket-Protocol: x\r\n\r\n")
        self.assertEqual((self.connection.subprotocol, self.connection.calls), ("x", ["opened"]))

    def test_frames_in_the_same_segment(self) -> None:
        """What arrives in one piece with the request is received once the connection is open."""
        for cut in range(0, len(REQUEST), 7):
            self.setUp()
            self.connection.dataReceived(REQUEST[:cut])
            self.connection.dataReceived(REQUEST[cut:] + b"frames")
            self.assertEqual(self.connection.calls, ["opened"])
            self.assertEqual(self.connection.received, b"frames")

    def test_too_slow(self) -> None:
        """A peer that takes too long is cut off, and was never open."""
        self.connection.dataReceived(REQUEST[:-1])
        self.clock.advance(9.9)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(0.2)
        self.assertTrue(self.transport.aborted)
        self.connection.connectionLost()
        self.assertEqual(self.connection.calls, [])
        self.assertEqual(self.openings.countConnections, 0)

    def test_too_long(self) -> None:
        """A request of more than 16 KiB is not stored."""
        self.connection.dataReceived(REQUEST[:-2])
        for _ in range(4):
            self.connection.dataReceived(b"x" * 4096)
        self.assertTrue(self.transport.aborted)
        self.assert_state(WebSocketState.CLOSED, timers=0)

    def test_refused(self) -> None:
        """A request that Autobahn refuses closes the connection; what follows it is dropped."""
        self.connection.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIs(self.connection.state, WebSocketState.CLOSED)
        self.assertTrue(self.transport.disconnecting)
        self.connection.dataReceived(b"x" * 100_000)
        self.connection.connectionLost()
        self.assert_state(WebSocketState.CLOSED, timers=0)
        self.assertEqual((self.connection.calls, self.connection.received), ([], b""))

    def test_count(self) -> None:
        """Autobahn's count of connections is right after each way to end."""
        for request in (REQUEST, REQUEST[:-2] + b"Origin: null\r\n\r\n"):
            self.setUp()
            self.openings.configure({"webStatus": False, "allowNullOrigin": True})
            self.connection.dataReceived(request)
            self.assertEqual(self.openings.countConnections, 1)
            self.connection.connectionLost()
            self.assertEqual(self.openings.countConnections, 0)
            self.assertEqual(self.connection.calls, ["opened", "lost"])
        self.setUp()
        self.connection.connectionLost()
        self.assertEqual((self.openings.countConnections, self.connection.calls), (0, []))


class ClosingTests(ProtocolCase):
    """The closing handshake, and ends without one."""

    def setUp(self) -> None:
        super().setUp()
        self.open()

    def test_by_us(self) -> None:
        """A close frame is sent once; the peer's answer closes the transport."""
        self.connection.close(1001, "bye")
        self.connection.close(1000)
        self.assertEqual(self.transport.take(), close_frame(1001, "bye"))
        self.assert_state(WebSocketState.CLOSING, timers=1)
        self.connection.dataReceived(b"still")
        self.assertEqual(self.connection.received, b"still")
        self.connection.closed_by_peer()
        self.assert_state(WebSocketState.CLOSED, timers=0)
        self.assertEqual(self.transport.take(), b"")
        self.assertEqual((self.transport.disconnecting, self.transport.aborted), (True, False))

    def test_no_answer(self) -> None:
        """A peer that does not answer in time is cut off."""
        self.connection.close(1001)
        self.clock.advance(1.9)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(0.2)
        self.assertTrue(self.transport.aborted)

    def test_by_peer(self) -> None:
        """The peer's close frame is answered behind what waits, and the transport closed."""
        self.connection.send_frame(b"answer")
        self.connection.closed_by_peer()
        self.assertEqual(self.transport.take(), b"answer" + close_frame(1000))
        self.assert_state(WebSocketState.CLOSED, timers=0)
        self.assertTrue(self.transport.disconnecting)

    def test_violation(self) -> None:
        """A fault is answered behind what waits; a fault after that closes the transport."""
        self.connection.send_frame(b"answer")
        self.connection.refuse(VIOLATION)
        self.assertEqual(self.transport.take(), b"answer" + close_frame(1002, "wrong"))
        self.assert_state(WebSocketState.CLOSING, timers=1)
        self.connection.refuse(VIOLATION)
        self.assertEqual(self.transport.take(), b"")
        self.assert_state(WebSocketState.CLOSED, timers=0)
        self.assertTrue(self.transport.disconnecting)

    def test_producer(self) -> None:
        """A producer does not keep the transport from closing."""
        self.transport.registerProducer(self.transport, True)
        self.connection.close_transport()
        self.assertIsNone(self.transport.producer)

    def test_abort(self) -> None:
        """The transport can be cut off at any time, when it is closing as well."""
        self.connection.close_transport()
        self.assertFalse(self.transport.aborted)
        self.connection.abort()
        self.assertTrue(self.transport.aborted)
        self.connection.close_transport()
        self.connection.close(1000)
        self.assertEqual(self.transport.take(), b"")

    def test_data_after_the_end(self) -> None:
        """What arrives after the end is dropped."""
        self.connection.closed_by_peer()
        self.connection.dataReceived(b"x")
        self.assertEqual(self.connection.received, b"")

    def test_exception(self) -> None:
        """An exception goes to the connection, and no further."""
        self.connection.dataReceived(b"raise")
        self.assertEqual(self.connection.calls, ["opened", "failed: ZeroDivisionError"])
        self.assertTrue(self.transport.aborted)


class ComparisonTests(SynchronousTestCase):
    """Frames, compared with Autobahn alone and with RFC 6455."""

    def test_frames(self) -> None:
        """Thousands of frames, good and bad, are answered as Autobahn does, but for what is named here."""
        servers = Servers()
        count = differences = 0
        for begun in BEGUN:
            for frame in frames():
                ours, autobahn = (
                    servers.ours(begun, frame + NEXT),
                    servers.autobahn(begun, frame + NEXT),
                )
                if ours != autobahn:
                    differences += 1
                    self.assertIn(
                        (ours, autobahn),
                        [
                            # A reason for a close is UTF-8, and that has a code of its own (section 8.1).
                            ([1007], [1002]),
                            # 1014 was registered after the RFC.
                            ([1000], [1002]),
                        ],
                        (begun, frame[:20]),
                    )
                count += 1
        self.assertGreater(count, 3000)
        self.assertLess(differences, 100)

    def test_cuts(self) -> None:
        """The pieces in which frames arrive make no difference to the answers."""
        servers = Servers()
        cuts = random.Random(6455)
        for begun in BEGUN:
            for frame in frames():
                data = begun + frame + NEXT
                at = cuts.randrange(1, len(data))
                self.assertEqual(
                    servers.ours(data[:at], data[at:]), servers.ours(data), (data[:20], at)
                )

    def test_text(self) -> None:
        """Text is not checked here, as Autobahn does: it is JSON, whose reader does."""
        servers = Servers()
        text = client_frame(Opcode.TEXT, b"\xff", MASK)
        self.assertEqual(servers.autobahn(text), [1007])
        self.assertEqual([each.payload for each in servers.ours(text)], [b"\xff"])
