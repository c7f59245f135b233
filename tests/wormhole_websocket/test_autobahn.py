"""Tests of `wormhole_websocket.autobahn`: what is not documented, and is relied on, is as it was."""

from __future__ import annotations

from typing import Any

from autobahn.util import hltype
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_websocket.fakes import ACCEPT, REQUEST, MemoryTransport
from wormhole_websocket.autobahn import UNSUPPORTED_OPTIONS, Opening, OpeningFactory
from wormhole_websocket.frames import Opcode, client_frame


class OpeningCase(SynchronousTestCase):
    """A factory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.factory = OpeningFactory(self.clock, {"webStatus": False})

    def begin(self, data: bytes) -> tuple[Opening, MemoryTransport]:
        """A handshake for which `data` has arrived."""
        transport = MemoryTransport()
        opening = self.factory.begin(transport)
        opening.dataReceived(data)
        return opening, transport


class OpeningTests(OpeningCase):
    """`Opening`."""

    def test_succeeds(self) -> None:
        """The request is answered, without the name of a server; nothing is unread."""
        opening, transport = self.begin(REQUEST)
        self.assertEqual(opening.unread, b"")
        self.assertFalse(opening.has_failed)
        self.assertIn(ACCEPT, transport.value())
        self.assertNotIn(b"server", transport.value().lower())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_colors(self) -> None:
        """Autobahn colours nothing that it formats."""
        self.assertEqual(hltype(int), "<builtins.int>")

    def test_not_yet(self) -> None:
        """While the request is not whole nothing is answered, and `data` holds what there is."""
        opening, _ = self.begin(REQUEST[:50])
        self.assertEqual(bytes(opening.data), REQUEST[:50])
        self.assertIsNone(opening.unread)
        self.assertFalse(opening.has_failed)
        opening.dataReceived(REQUEST[50:])
        self.assertEqual(opening.unread, b"")

    def test_frames_behind(self) -> None:
        """Autobahn reads no frame, not even what stands in one piece with the request."""
        behind = client_frame(Opcode.PING, b"x", b"mask") + b"\xff" * 100
        opening, transport = self.begin(REQUEST + behind)
        self.assertEqual(opening.unread, behind)
        self.assertTrue(transport.value().endswith(b"\r\n\r\n"))
        self.assertFalse(opening.has_failed)

    def test_fails(self) -> None:
        """A request that is none is refused, and the transport closed."""
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0\xff\r\n\r\n", b"\r\n\r\n"):
            opening, transport = self.begin(data)
            self.assertTrue(opening.has_failed)
            self.assertIsNone(opening.unread)
            self.assertTrue(transport.disconnecting)

    def test_subprotocol(self) -> None:
        """The first subprotocol that the server speaks is chosen, and named in the answer; else none."""
        self.factory = OpeningFactory(self.clock, {"webStatus": False}, {"b", "c"})
        for asked, chosen in ((b"a, c, b", "c"), (b"a", None), (b"", None)):
            line = b"Sec-WebSocket-Protocol: " + asked + b"\r\n\r\n" if asked else b"\r\n"
            opening, transport = self.begin(REQUEST[:-2] + line)
            self.assertEqual((opening.subprotocol, opening.unread), (chosen, b""))
            answer = transport.value()
            self.assertEqual(b"\r\nSec-WebSocket-Protocol: c\r\n" in answer, chosen == "c")
            self.assertEqual(b"Sec-WebSocket-Protocol" in answer, chosen is not None)

    def test_quiet(self) -> None:
        """Nothing that Autobahn says is logged; an exception that it caught is."""
        with capturedLogs() as events:
            self.begin(REQUEST)
            self.begin(b"\r\n\r\n")
            opening, _ = self.begin(b"")
            opening.connectionLost(Failure(ConnectionError()))
        self.assertEqual(events, [])
        log: Any = opening.log
        log.failure("{text}", text="secret", failure=Failure(ZeroDivisionError("secret")))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertNotIn(LogLevel.info, [event["log_level"] for event in events])


class AnswerTests(OpeningCase):
    """`OpeningFactory.answer`."""

    def test_same(self) -> None:
        """The answer is Autobahn's, byte by byte, and leaves the transport and the count as Autobahn does."""
        _, expected = self.begin(REQUEST)
        transport = MemoryTransport()
        self.assertEqual(self.factory.answer(transport, REQUEST), expected.value())
        self.assertEqual(transport.no_delay, expected.no_delay)
        self.assertEqual(self.factory.countConnections, 2)

    def test_options(self) -> None:
        """Where an option may refuse the handshake, it is left to Autobahn."""
        for options in ({"maxConnections": 2}, {"versions": [8]}):
            self.factory.configure(options)
            self.assertIsNone(self.factory.answer(MemoryTransport(), REQUEST))
        self.assertEqual(self.factory.countConnections, 0)


class OptionTests(OpeningCase):
    """`OpeningFactory`: the options."""

    def test_copied(self) -> None:
        """A connection has every option of its factory, and keeps it."""
        self.factory.configure({"trustXForwardedFor": 3, "tcpNoDelay": False})
        opening, transport = self.begin(REQUEST)
        values: Any = opening
        names = {*opening.CONFIG_ATTRS_COMMON, *opening.CONFIG_ATTRS_SERVER}
        self.assertIn("allowedOriginsPatterns", names)
        for name in names - {"openHandshakeTimeout", "autoPingInterval"}:
            self.assertEqual(getattr(values, name), getattr(self.factory, name), name)
        self.factory.configure({})
        self.assertEqual((values.trustXForwardedFor, transport.no_delay), (3, False))

    def test_reset(self) -> None:
        """An option that is not named has Autobahn's default again."""
        self.factory.configure({"autoPingSize": 20})
        self.assertEqual(self.factory.option("autoPingSize"), 20)
        self.factory.configure({})
        self.assertEqual(self.factory.option("autoPingSize"), 12)

    def test_no_timers(self) -> None:
        """Autobahn starts none of its timers, whatever the options say."""
        self.factory.configure({"openHandshakeTimeout": 5, "autoPingInterval": 5})
        for data in (REQUEST[:10], REQUEST):
            opening, _ = self.begin(data)
            values: Any = opening
            self.assertIsNone(values.openHandshakeTimeoutCall)
            self.assertIsNone(values.autoPingPendingCall)

    def test_connections_are_counted(self) -> None:
        """The option maxConnections counts all connections that are not gone."""
        self.factory.configure({"maxConnections": 2})
        first, _ = self.begin(REQUEST)
        second, _ = self.begin(REQUEST[:10])
        third, transport = self.begin(REQUEST)
        self.assertTrue(third.has_failed)
        self.assertIn(b" 503 ", transport.value())
        third.connectionLost()
        second.connectionLost()
        self.factory.ended()
        self.assertEqual(self.factory.countConnections, 0)
        self.assertIsNotNone(first.unread)

    def test_unsupported(self) -> None:
        """The options that have no meaning here are options of Autobahn's."""
        names = {*Opening.CONFIG_ATTRS_COMMON, *Opening.CONFIG_ATTRS_SERVER}
        self.assertLess(UNSUPPORTED_OPTIONS, names)
