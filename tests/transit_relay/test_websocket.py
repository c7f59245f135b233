"""The relay over WebSocket, on transports in memory."""

import itertools
import struct
from typing import Any, Final, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.connection_hooks import HeldBytes
from tests.transit_relay.fakes import (
    PEER_HOST,
    SIDES,
    TOKEN,
    FakeObserver,
    FakeTransport,
    connect_twisted,
    handshake,
    make_relay,
)
from tests.transit_relay.frames import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    REQUEST,
    TEXT,
    close,
    frame,
    header,
    masked,
    parse,
)
from transit_relay import websocket
from transit_relay.credit import SUBPROTOCOL, Credit
from transit_relay.observer import ConnectionKind, RelayMood
from transit_relay.relay import ConnectionCounts
from transit_relay.session import HandedWebSocket
from transit_relay.tcp import TransitFactory
from transit_relay.websocket import TransitWebSocketFactory
from wormhole_limits.ip_addresses import block_of
from wormhole_twisted.internals import MOST_READ_BYTES, ReadHook, is_aborting

HANDSHAKE: Final = frame(handshake(0))
NORMAL, GOING_AWAY, PROTOCOL, UNSUPPORTED, POLICY, INTERNAL = 1000, 1001, 1002, 1003, 1008, 1011


class WebSocketCase(SynchronousTestCase):
    """A relay that peers reach over WebSocket, and over TCP."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.observer = FakeObserver()
        self.relay = make_relay(self.clock, self.observer)
        self.factory = TransitWebSocketFactory(self.relay, self.clock)

    def dial(self) -> FakeTransport:
        """A peer that has come, and sent nothing."""
        transport = FakeTransport(self.clock)
        transport.connect(self.factory.buildProtocol(None))
        return transport

    def connect(self, *data: bytes) -> FakeTransport:
        """A peer that has opened its WebSocket, and sent `data`."""
        transport = self.dial()
        transport.deliver(REQUEST)
        self.assertIn(ACCEPT, transport.drain())
        for piece in data:
            transport.deliver(piece)
        return transport

    def connect_tcp(self, *data: bytes) -> FakeTransport:
        """A peer on TCP."""
        transport = FakeTransport(self.clock)
        transport.connect(TransitFactory(self.relay).buildProtocol(None))
        for piece in data:
            transport.deliver(piece)
        return transport

    def pair(self) -> tuple[FakeTransport, FakeTransport]:
        """One on WebSocket and one on TCP that have taken their ok."""
        websocket, tcp = self.connect(HANDSHAKE), self.connect_tcp(handshake(1))
        self.assertEqual(self.received(websocket), [(BINARY, b"ok\n")])
        self.assertEqual(tcp.drain(), b"ok\n")
        return websocket, tcp

    def received(self, peer: FakeTransport) -> list[tuple[int, bytes]]:
        """The frames that a peer finds when it reads."""
        found, rest = parse(peer.drain())
        self.assertEqual(rest, b"")
        return found

    def assert_closed(self, found: tuple[int, bytes], code: int) -> None:
        """`found` is a close frame with `code`."""
        self.assertEqual((found[0], found[1][:2]), (CLOSE, struct.pack("!H", code)))

    def assert_nothing_left(self) -> None:
        """No connection is left, and no timer runs."""
        self.clock.advance(0)
        self.assertEqual(self.relay.live, ConnectionCounts(0, 0, 0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory._openings.countConnections, 0)


class OpeningTests(WebSocketCase):
    """The opening handshake."""

    def test_address(self) -> None:
        """A peer belongs to the block of its address; one without an address to none."""
        address = IPv4Address("TCP", PEER_HOST, 1)
        self.assertEqual(self.factory.buildProtocol(address).block, block_of(address))
        self.assertEqual(self.factory.buildProtocol(None).block, 0)

    def test_answer(self) -> None:
        """It names no server software and no extensions."""
        peer = self.dial()
        peer.deliver(REQUEST.replace(b"\r\n\r\n", b"\r\nOrigin: null\r\n\r\n"))
        answer = peer.drain()
        self.assertIn(ACCEPT, answer)
        self.assertNotIn(b"Server", answer)
        self.assertNotIn(b"utobahn", answer)

    def test_no_compression(self) -> None:
        """An offer to compress is not taken up: the bytes are encrypted, and cannot shrink."""
        peer = self.dial()
        offer = b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        peer.deliver(REQUEST.replace(b"\r\n\r\n", offer))
        answer = peer.drain()
        self.assertIn(ACCEPT, answer)
        self.assertNotIn(b"Extensions", answer)

    def test_no_websocket(self) -> None:
        """A plain HTTP request is told to upgrade, and the connection closed."""
        peer = self.dial()
        peer.deliver(b"GET /transit HTTP/1.1\r\nHost: relay.example.com\r\n\r\n")
        answer = peer.drain()
        self.assertTrue(answer.startswith(b"HTTP/1.1 426 "), answer)
        self.assertNotIn(b"utobahn", answer)
        self.assertFalse(peer.connected)
        self.assert_nothing_left()

    def test_slow(self) -> None:
        """An opening handshake that takes longer than 10 seconds is not waited for."""
        peer = self.dial()
        peer.deliver(REQUEST[:-1])
        self.clock.advance(9.9)
        self.assertTrue(peer.connected)
        self.clock.advance(0.2)
        self.clock.advance(0.0)
        self.assertFalse(peer.connected)
        self.assert_nothing_left()

    def test_endless(self) -> None:
        """Headers without end are not gathered without end."""
        peer = self.dial()
        peer.deliver(REQUEST[:-2])
        peer.deliver(b"X: " + b"x" * 20_000)
        self.clock.advance(0.0)
        self.assertFalse(peer.connected)
        self.assert_nothing_left()

    def test_gone(self) -> None:
        """Who leaves before the WebSocket is open was never a connection of the relay's."""
        peer = self.dial()
        peer.end()
        self.assertEqual(self.observer.states, [])
        self.assert_nothing_left()


class HandshakeTests(WebSocketCase):
    """The relay's own handshake: one message, with its newline or without."""

    def assert_waits(self, *data: bytes) -> None:
        self.connect(*data)
        self.assertEqual(self.relay.live.waiting, 1)

    def test_newline(self) -> None:
        """With its newline."""
        self.assert_waits(HANDSHAKE)

    def test_no_newline(self) -> None:
        """Without its newline."""
        self.assert_waits(frame(handshake(0)[:-1]))

    def test_no_side(self) -> None:
        """From a client of before there were sides."""
        self.assert_waits(frame(handshake()[:-1]))

    def test_frames(self) -> None:
        """In a message of several frames, with a ping between them."""
        whole = handshake(0)[:-1]
        self.assert_waits(
            frame(whole[:10], final=False),
            frame(b"are you there", PING),
            frame(whole[10:90], CONTINUATION, final=False),
            frame(whole[90:], CONTINUATION),
        )

    @given(st.lists(st.integers(0, len(HANDSHAKE)), max_size=10))
    def test_pieces(self, cuts: list[int]) -> None:
        """In whatever pieces the frame arrives."""
        self.setUp()
        places = [0, *sorted(cuts), len(HANDSHAKE)]
        pieces = [HANDSHAKE[start:end] for start, end in itertools.pairwise(places) if end > start]
        self.assert_waits(*pieces)

    def test_with_the_opening(self) -> None:
        """Right behind the opening handshake, in the same segment."""
        peer = self.dial()
        peer.deliver(REQUEST + HANDSHAKE)
        self.assertEqual(self.relay.live.waiting, 1)

    def test_broken_with_the_opening(self) -> None:
        """A broken frame right behind the opening handshake is refused."""
        peer = self.dial()
        peer.deliver(REQUEST + frame(b"x", CONTINUATION))
        _, _, answer = peer.drain().partition(b"\r\n\r\n")
        ((opcode, payload),) = parse(answer)[0]
        self.assertEqual((opcode, payload[:2]), (CLOSE, struct.pack("!H", PROTOCOL)))

    def test_two_messages(self) -> None:
        """A handshake does not span messages: the first is taken as a whole one."""
        whole = handshake(0)
        peer = self.connect(frame(whole[:50]), frame(whole[50:]))
        bad, end = self.received(peer)
        self.assertEqual(bad, (BINARY, b"bad handshake\n"))
        self.assert_closed(end, POLICY)

    def test_bad(self) -> None:
        """Anything else is told so in a message, then closed; the peer's answer ends it."""
        peer = self.connect(frame(b"hello"))
        bad, end = self.received(peer)
        self.assertEqual(bad, (BINARY, b"bad handshake\n"))
        self.assert_closed(end, POLICY)
        peer.deliver(close())
        peer.drain()
        self.assertFalse(peer.connected)
        self.assertFalse(peer.aborted)
        self.assertEqual(self.observer.moods, [RelayMood.ERRORY])
        self.assert_nothing_left()

    def test_empty(self) -> None:
        """An empty first message is no handshake."""
        peer = self.connect(frame(b""))
        self.assertEqual(self.received(peer)[0], (BINARY, b"bad handshake\n"))

    def test_text(self) -> None:
        """A handshake in a text message is refused, before any of its text has come."""
        peer = self.connect(header(len(handshake(0)), TEXT))
        bad, end = self.received(peer)
        self.assertEqual(bad, (BINARY, b"bad handshake\n"))
        self.assert_closed(end, UNSUPPORTED)
        peer.deliver(masked(handshake(0)))
        self.assertEqual(self.received(peer), [])

    def test_impatient(self) -> None:
        """Bytes before the ok are told so, in the handshake's message or in the next."""
        for data in ([frame(handshake(0) + b"x")], [HANDSHAKE, frame(b"x")]):
            peer = self.connect(*data)
            word, end = self.received(peer)
            self.assertEqual(word, (BINARY, b"impatient\n"))
            self.assert_closed(end, POLICY)

    def test_empty_while_waiting(self) -> None:
        """An empty message holds no byte, so it is not impatient."""
        peer = self.connect(HANDSHAKE, frame(b""), frame(b""))
        self.assertEqual(self.received(peer), [])
        self.assertEqual(self.relay.live.waiting, 1)


class StreamTests(WebSocketCase):
    """What a peer sends and receives."""

    def test_both_ways(self) -> None:
        """Bytes go both ways between a WebSocket and a TCP client."""
        websocket, tcp = self.pair()
        websocket.deliver(frame(b"over the web"))
        tcp.deliver(b"over the wire")
        self.assertEqual(tcp.drain(), b"over the web")
        self.assertEqual(self.received(websocket), [(BINARY, b"over the wire")])

    def test_two_websockets(self) -> None:
        """Bytes go between two WebSocket clients; an empty message does not arrive as one."""
        first, second = self.connect(HANDSHAKE), self.connect(frame(handshake(1)))
        first.deliver(frame(b"one") + frame(b"") + frame(b"two"))
        received = self.received(second)
        self.assertEqual(received, [(BINARY, b"ok\n"), (BINARY, b"one"), (BINARY, b"two")])

    @settings(max_examples=50)
    @given(st.lists(st.sampled_from([0, 1, 125, 126, 127, 65535, 65536, 70000]), max_size=6))
    def test_lengths(self, lengths: list[int]) -> None:
        """Every length has its header, in both directions."""
        self.setUp()
        websocket, tcp = self.pair()
        pieces = [bytes([number]) * length for number, length in enumerate(lengths)]
        for piece in pieces:
            websocket.deliver(frame(piece))
            self.assertEqual(tcp.drain(), piece)
            if piece:
                tcp.deliver(piece)
                self.assertEqual(self.received(websocket), [(BINARY, piece)])

    def test_as_it_comes(self) -> None:
        """The data of a frame is handed on before the frame is whole."""
        websocket, tcp = self.pair()
        websocket.deliver(header(1 << 40))
        self.assertEqual(tcp.drain(), b"")
        websocket.deliver(masked(b"beginning"))
        self.assertEqual(tcp.drain(), b"beginning")

    def test_large_message(self) -> None:
        """Nothing is kept of a message of 64 MiB while it passes."""
        websocket, tcp = self.pair()
        piece = bytes(65536)
        wire = masked(piece)
        websocket.deliver(header(1024 * len(piece)))
        for _ in range(1024):
            websocket.deliver(wire)
            self.assertEqual(len(tcp.drain()), len(piece))
            self.assertEqual(websocket.protocol._reader.unfinished_bytes, 0)  # type: ignore[attr-defined]
        websocket.deliver(frame(b"and on"))
        self.assertEqual(tcp.drain(), b"and on")

    def test_fragments(self) -> None:
        """A message in fragments passes, with a ping among them answered."""
        websocket, tcp = self.pair()
        websocket.deliver(frame(b"one ", final=False))
        websocket.deliver(frame(b"you there?", PING))
        websocket.deliver(frame(b"two", CONTINUATION))
        self.assertEqual(tcp.drain(), b"one two")
        self.assertEqual(self.received(websocket), [(PONG, b"you there?")])

    def test_text(self) -> None:
        """A text message in the stream ends it; what came before it is flushed."""
        websocket, tcp = self.pair()
        websocket.deliver(frame(b"before") + frame(b"text", TEXT) + frame(b"after"))
        (end,) = self.received(websocket)
        self.assert_closed(end, UNSUPPORTED)
        self.assertEqual(tcp.drain(), b"before")
        tcp.end()
        websocket.deliver(close())
        websocket.drain()
        self.assertEqual(self.observer.moods, [RelayMood.JILTED, RelayMood.ERRORY])
        self.assert_nothing_left()

    def test_record(self) -> None:
        """The kind of the connection is told."""
        websocket, _ = self.pair()
        websocket.deliver(frame(b"12345"))
        websocket.end()
        self.assertEqual(
            (self.observer.records[0].kind, self.observer.records[0].bytes),
            (ConnectionKind.WEBSOCKET, 5),
        )


class FlowTests(WebSocketCase):
    """Flow control, with a WebSocket at either end."""

    def test_stalled_websocket(self) -> None:
        """A WebSocket client that does not read stops the other from being read."""
        websocket, tcp = self.pair()
        sent = 0
        while tcp.reading:
            tcp.deliver(b"x" * 65536)
            sent += 65536
        self.assertLessEqual(len(websocket.pending), 2 * 65536 + 100)
        received = self.received(websocket)
        self.assertEqual(sum(len(payload) for _, payload in received), sent)
        self.assertTrue(tcp.reading)

    def test_stalled_tcp(self) -> None:
        """A WebSocket client is not read while the other does not read."""
        websocket, tcp = self.pair()
        while websocket.reading:
            websocket.deliver(frame(b"x" * 65536))
        self.assertLessEqual(len(tcp.pending), 2 * 65536)
        tcp.drain()
        self.assertTrue(websocket.reading)

    def test_read_size(self) -> None:
        """One without a buddy is read little at a time; with a buddy, as much as any."""
        transport = connect_twisted(self, self.factory.buildProtocol(None))
        transport.protocol.dataReceived(REQUEST + HANDSHAKE)
        self.assertEqual(transport.bufferSize, 512)
        self.connect_tcp(handshake(1))
        self.assertEqual(transport.bufferSize, MOST_READ_BYTES)

    def test_behind_http(self) -> None:
        """A producer that twisted.web has left on the transport gives way."""
        transport = FakeTransport(self.clock)
        transport.registerProducer(FakeTransport(self.clock), True)
        transport.connect(self.factory.buildProtocol(None))
        transport.deliver(REQUEST)
        transport.deliver(HANDSHAKE)
        self.connect_tcp(handshake(1))
        self.assertEqual(self.relay.live.paired, 2)


class ClosingTests(WebSocketCase):
    """When one peer is gone, the other is sent what is left, and then closed."""

    def test_tcp_leaves(self) -> None:
        """The WebSocket client gets all, then a close frame; its answer ends the connection."""
        websocket, tcp = self.pair()
        tcp.deliver(b"last words")
        tcp.end()
        tcp.drain()
        words, end = self.received(websocket)
        self.assertEqual(words, (BINARY, b"last words"))
        self.assert_closed(end, NORMAL)
        websocket.deliver(frame(b"still sending") + close())
        self.assertEqual(self.received(websocket), [])
        self.assertFalse(websocket.connected)
        self.assertFalse(websocket.aborted)
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])
        self.assert_nothing_left()

    def test_websocket_leaves(self) -> None:
        """A close frame is answered, behind what was on its way; then the other is closed."""
        websocket, tcp = self.pair()
        tcp.deliver(b"for you")
        websocket.deliver(frame(b"last words") + close())
        word, end = self.received(websocket)
        self.assertEqual(word, (BINARY, b"for you"))
        self.assert_closed(end, NORMAL)
        self.assertFalse(websocket.connected)
        self.assertEqual(tcp.drain(), b"last words")
        self.assertTrue(tcp.write_ended)
        tcp.end()
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])
        self.assert_nothing_left()

    def test_websocket_drops(self) -> None:
        """A WebSocket client that goes without a close frame has left like any other."""
        websocket, tcp = self.pair()
        websocket.end()
        tcp.drain()
        tcp.end()
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])
        self.assert_nothing_left()

    def test_no_answer(self) -> None:
        """A WebSocket client that does not answer the close frame is cut off after a minute."""
        websocket, tcp = self.pair()
        tcp.reset()
        self.clock.pump([59.0, 2.0, 0.0])
        self.assertTrue(websocket.aborted)
        self.assert_nothing_left()

    def test_leaver_does_not_read(self) -> None:
        """One that sends a close frame, and does not read, is cut off after a minute."""
        websocket, tcp = self.pair()
        tcp.deliver(b"x" * 100_000)
        websocket.deliver(close())
        tcp.drain()
        tcp.end()
        self.clock.pump([59.0, 2.0, 0.0])
        self.assertTrue(websocket.aborted)
        self.assert_nothing_left()

    def test_data_after_the_end(self) -> None:
        """What comes after the end, as TLS may hand it on, is not kept."""
        peer = self.connect(close(NORMAL))
        websocket: Any = peer.protocol
        websocket.dataReceived(b"x" * 65536)
        self.assertEqual(websocket._reader.unfinished_bytes, 0)

    def test_shutdown(self) -> None:
        """When the relay stops, WebSocket clients are told that it goes away."""
        peer = self.connect(HANDSHAKE)
        done = self.relay.close_all()
        (end,) = self.received(peer)
        self.assert_closed(end, GOING_AWAY)
        peer.deliver(close())
        peer.drain()
        self.successResultOf(done)


class PingTests(WebSocketCase):
    """A WebSocket client that has vanished is found by its silence, and no other is."""

    def wait(self, peer: FakeTransport, minutes: int, *answer: bytes) -> int:
        """Let `minutes` pass; each finds `answer` from the peer. Returns how often it was pinged."""
        pings = 0
        for _ in range(minutes):
            self.clock.advance(60.0)
            pings += sum(1 for opcode, _ in self.received(peer) if opcode == PING)
            for data in answer:
                peer.deliver(data)
        self.clock.advance(0.0)
        return pings

    def test_answers(self) -> None:
        """One that answers each ping waits for as long as it may."""
        peer = self.connect(HANDSHAKE)
        self.assertEqual(self.wait(peer, 59, frame(b"", PONG)), 59)
        self.assertTrue(peer.connected)

    def test_silent(self) -> None:
        """One that is silent is dropped within 5 minutes."""
        peer = self.connect(HANDSHAKE)
        self.wait(peer, 2)
        self.assertTrue(peer.connected)
        self.wait(peer, 3)
        self.assertFalse(peer.connected)
        self.assertEqual(self.observer.moods, [RelayMood.LONELY])
        self.assert_nothing_left()

    def test_in_a_frame(self) -> None:
        """One in the middle of a large frame cannot answer; that it sends is enough."""
        websocket, tcp = self.pair()
        websocket.deliver(header(1 << 40))
        for _ in range(60):
            self.wait(websocket, 1, b"x")
            tcp.drain()
        self.assertTrue(websocket.connected)

    def test_not_read(self) -> None:
        """One that is not being read is not silent: it is not heard."""
        websocket, tcp = self.pair()
        while websocket.reading:
            websocket.deliver(frame(b"x" * 65536))
        self.wait(websocket, 60)
        self.assertTrue(websocket.connected)
        tcp.drain()
        self.assertTrue(websocket.reading)
        self.wait(websocket, 5)
        self.assertFalse(websocket.connected)

    def test_held(self) -> None:
        """One whose turn to be read has not come is not silent: it is not heard."""
        transport = connect_twisted(self, self.factory.buildProtocol(None))
        hook = ReadHook(transport)
        transport.protocol.dataReceived(REQUEST + HANDSHAKE)
        hook.hold()
        self.clock.pump([60.0] * 10)
        self.assertFalse(is_aborting(transport))
        hook.resume_reading()
        self.clock.pump([60.0] * 5)
        self.assertTrue(is_aborting(transport))

    def test_pings_while_waiting(self) -> None:
        """A peer that pings and does not read is answered up to a bound, and the newest once it has read."""
        self.pings(self.connect(HANDSHAKE))

    def test_pings_of_one_with_a_buddy(self) -> None:
        """The same when it has a buddy."""
        websocket, _ = self.pair()
        self.pings(websocket)

    def pings(self, peer: FakeTransport) -> None:
        """Ping without reading, then read."""
        for number in range(3000):
            peer.deliver(frame(b"%125d" % number, PING))
        self.assertLess(len(peer.pending), 100_000)
        answers = self.received(peer)
        self.assertNotIn((PONG, b"%125d" % 2999), answers)
        answers += self.received(peer)
        self.assertEqual({opcode for opcode, _ in answers}, {PONG})
        payloads = [payload for _, payload in answers]
        self.assertEqual((payloads, payloads[-1]), (sorted(payloads), b"%125d" % 2999))
        peer.deliver(frame(b"again", PING))
        self.assertEqual(self.received(peer), [(PONG, b"again")])
        self.assertTrue(peer.connected)

    def test_ping_of_one_that_leaves(self) -> None:
        """A ping that waits for its answer is not answered behind the close frame."""
        websocket, _ = self.pair()
        while not websocket.producer_paused:
            websocket.deliver(frame(b"", PING))
        websocket.deliver(frame(b"late", PING) + close())
        answers = self.received(websocket)
        self.assert_closed(answers[-1], NORMAL)
        self.assertEqual(self.received(websocket), [])

    def test_does_not_read(self) -> None:
        """One that does not read cannot answer, and is sent no pings that would pile up."""
        websocket, tcp = self.pair()
        while tcp.reading:
            tcp.deliver(b"x" * 65536)
        held = len(websocket.pending)
        self.clock.pump([60.0] * 60)
        self.assertTrue(websocket.connected)
        self.assertEqual(len(websocket.pending), held)


class BrokenTests(WebSocketCase):
    """Frames that are wrong, and what goes wrong here."""

    WRONG: Final = {
        "reserved bits": b"\xf2\x80" + b"mask",
        "reserved opcode": b"\x83\x80" + b"mask",
        "reserved control opcode": b"\x8b\x80" + b"mask",
        "not masked": b"\x82\x05hello",
        "fragmented ping": b"\x09\x80" + b"mask",
        "long ping": b"\x89\xfe\x01\x00" + b"mask" + b"x" * 256,
        "continuation of nothing": b"\x80\x80" + b"mask",
        "close with half a code": b"\x88\x81" + b"mask" + b"x",
        "length not minimal": b"\x82\xfe\x00\x05" + b"mask" + b"hello",
        "length over 2**63": b"\x82\xff" + b"\xff" * 8 + b"mask",
        "close with a reserved code": close(1006),
        "close with garbage for a reason": frame(b"\x03\xe8\xff\xff", CLOSE),
        "message within a message": frame(b"one", final=False) + frame(b"two"),
    }

    def test_wrong_frames(self) -> None:
        """Every wrong frame is answered with a close frame that says so, and logs nothing."""
        for name, data in self.WRONG.items():
            websocket, tcp = self.pair()
            websocket.deliver(data)
            answers = self.received(websocket)
            self.assertEqual([opcode for opcode, _ in answers], [CLOSE], name)
            self.assertIn(struct.unpack("!H", answers[0][1][:2])[0], {PROTOCOL, 1007}, name)
            tcp.drain()
            self.assertTrue(tcp.write_ended, name)
            tcp.end()
            self.clock.pump([61.0, 0.0])
            self.assertEqual(
                set(self.observer.moods[-2:]), {RelayMood.JILTED, RelayMood.ERRORY}, name
            )
            self.assert_nothing_left()

    def test_endless_control_frame(self) -> None:
        """Of a ping that is too long, and goes on and on, nothing is kept."""
        peer = self.connect(b"\x89\xff\x3f" + bytes(7) + b"mask")
        for _ in range(10):
            peer.deliver(b"x" * 65536)
        websocket: Any = peer.protocol
        self.assertEqual(websocket._reader.unfinished_bytes, 0)

    @given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever bytes come on an open WebSocket, no exception is ours, and it all ends."""
        self.setUp()
        peer = self.connect()
        for piece in pieces:
            if peer.reading:
                peer.deliver(piece)
        self.clock.pump([31.0, 61.0, 0.0])
        self.assertFalse(peer.connected)
        self.assertEqual(self.observer.errors, 0)
        self.assert_nothing_left()

    @given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8))
    def test_anything_for_an_opening(self, pieces: list[bytes]) -> None:
        """Whatever bytes come instead of HTTP, no exception is ours, and it all ends."""
        self.setUp()
        peer = self.dial()
        for piece in pieces:
            if peer.reading:
                peer.deliver(piece)
        self.clock.pump([11.0, 0.0])
        self.assertFalse(peer.connected)
        self.assertEqual(self.observer.errors, 0)
        self.assert_nothing_left()

    def test_failure(self) -> None:
        """An exception of ours is logged once; the peer is told without detail."""
        peer = self.connect()
        self.patch(self.relay, "handshake_completed", lambda *_: 1 // 0)
        peer.deliver(HANDSHAKE)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        word, end = self.received(peer)
        self.assertEqual(word, (BINARY, b"internal error\n"))
        self.assert_closed(end, INTERNAL)
        self.assertEqual(self.observer.errors, 1)

    def test_failure_while_opening(self) -> None:
        """An exception before there is a connection is logged and counted as well."""
        peer = self.dial()
        self.patch(self.factory._openings, "answer", lambda *_: 1 // 0)
        peer.deliver(REQUEST)
        self.clock.advance(0.0)
        self.assertFalse(peer.connected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.errors, 1)
        self.assert_nothing_left()


class PrivacyTests(WebSocketCase):
    """What is logged at the default level."""

    def test_log(self) -> None:
        """No address, token or side, whatever peers do; indeed nothing at all."""
        with capturedLogs() as events:
            for wrong in BrokenTests.WRONG.values():
                websocket, _ = self.pair()
                websocket.deliver(wrong)
                self.clock.pump([61.0, 0.0])
            self.dial().deliver(b"GET / HTTP/1.1\r\n\r\n")
            self.dial().deliver(b"\xff\r\n\r\n")
            self.dial()
            self.connect(frame(b"x"))
            self.connect(HANDSHAKE)
            self.connect_tcp(b"GET / HTTP/1.1\r\n\r\n")
            websocket, tcp = self.pair()
            tcp.reset()
            websocket.reset()
            self.clock.pump([60.0] * 70)
            self.assert_nothing_left()
        lines = [
            f"{formatEvent(event)} {event}"
            for event in events
            if event["log_level"] >= LogLevel.info
        ]
        secrets = [PEER_HOST, TOKEN.decode(), *(side.decode() for side in SIDES)]
        self.assertEqual([line for line in lines if any(secret in line for secret in secrets)], [])
        self.assertEqual(lines, [])


class CreditTests(WebSocketCase):
    """A peer that has asked for credit, and its buddy on TCP."""

    def connect_credited(self, *data: bytes) -> FakeTransport:
        """A peer that has opened its WebSocket with the subprotocol, and sent `data`."""
        peer = self.dial()
        ask = b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode() + b"\r\n\r\n"
        peer.deliver(REQUEST[:-2] + ask)
        self.assertIn(ask[:-2], peer.drain())
        for piece in data:
            peer.deliver(piece)
        return peer

    def pair_credited(self) -> tuple[FakeTransport, FakeTransport]:
        """The peer, which has granted nothing, and its buddy; both have taken their ok."""
        websocket, tcp = self.connect_credited(HANDSHAKE), self.connect_tcp(handshake(1))
        self.assertEqual(self.received(websocket), [(BINARY, b"ok\n")])
        self.assertEqual(tcp.drain(), b"ok\n")
        return websocket, tcp

    def grant(self, peer: FakeTransport, text: bytes) -> None:
        peer.deliver(frame(text, TEXT))

    def test_unasked(self) -> None:
        """Another subprotocol is not chosen, and changes nothing."""
        peer = self.dial()
        peer.deliver(REQUEST[:-2] + b"Sec-WebSocket-Protocol: x\r\n\r\n")
        answer = peer.drain()
        self.assertIn(ACCEPT, answer)
        self.assertNotIn(b"Sec-WebSocket-Protocol", answer)
        peer.deliver(HANDSHAKE)
        self.connect_tcp(handshake(1)).deliver(b"bytes")
        self.assertEqual(self.received(peer), [(BINARY, b"ok\n"), (BINARY, b"bytes")])

    def test_nothing_granted(self) -> None:
        """The buddy is read at most once before the first grant; what the peer sends arrives all the same."""
        websocket, tcp = self.pair_credited()
        tcp.deliver(b"x" * 65536)
        self.assertFalse(tcp.reading)
        websocket.deliver(frame(b"there"))
        self.assertEqual(tcp.drain(), b"there")
        self.assertFalse(tcp.reading)
        self.assertEqual(self.received(websocket), [])

    def test_granted(self) -> None:
        """The peer is sent what it has granted; the buddy is read again with the next grant."""
        websocket, tcp = self.pair_credited()
        self.grant(websocket, b"8")
        tcp.deliver(b"0123")
        self.assertEqual(self.received(websocket), [(BINARY, b"0123")])
        tcp.deliver(b"456789")
        self.assertEqual(self.received(websocket), [(BINARY, b"4567")])
        self.assertFalse(tcp.reading)
        self.grant(websocket, b"2")
        self.assertEqual(self.received(websocket), [(BINARY, b"89")])
        self.assertTrue(tcp.reading)

    def test_pings(self) -> None:
        """A peer without credit is pinged, and its pings are answered: it is alive."""
        websocket, tcp = self.pair_credited()
        self.grant(websocket, b"1")
        tcp.deliver(b"ab")
        websocket.deliver(frame(b"p", PING))
        self.assertEqual(self.received(websocket), [(BINARY, b"a"), (PONG, b"p")])
        self.clock.advance(60.0)
        self.assertEqual(self.received(websocket), [(PING, b"")])

    def test_fragments(self) -> None:
        """A grant may come in fragments, split anywhere, with a ping among them."""
        wire = frame(b"1", TEXT, final=False) + frame(b"", PING) + frame(b"0", CONTINUATION)
        for cut in range(1, len(wire)):
            self.setUp()
            websocket, tcp = self.pair_credited()
            websocket.deliver(wire[:cut])
            websocket.deliver(wire[cut:])
            tcp.deliver(b"x" * 20)
            self.assertEqual(self.received(websocket), [(PONG, b""), (BINARY, b"x" * 10)])

    def test_refused(self) -> None:
        """What is no grant ends the pair with its close code; the buddy gets what was sent before."""
        for text, code in ((b"many", 1007), (b"", 1007), (b"9007199254740993", 1009)):
            websocket, tcp = self.pair_credited()
            websocket.deliver(frame(b"before") + frame(text, TEXT) + frame(b"after"))
            self.assert_closed(self.received(websocket)[-1], code)
            self.assertEqual(tcp.drain(), b"before")
            tcp.end()
            websocket.deliver(close())
            websocket.drain()
            self.assertEqual(self.observer.moods[-2:], [RelayMood.JILTED, RelayMood.ERRORY])
        self.assert_nothing_left()

    def test_too_early(self) -> None:
        """A grant before the ok is refused, in place of the handshake or behind it."""
        for before in ((), (HANDSHAKE,)):
            peer = self.connect_credited(*before, frame(b"100", TEXT))
            self.assert_closed(self.received(peer)[0], PROTOCOL)
            self.assertEqual(self.relay.live.closing, 1)
            peer.deliver(close())
            peer.drain()
        self.assert_nothing_left()

    def test_refusals_are_sent(self) -> None:
        """What the relay itself says needs no credit."""
        peer = self.connect_credited(frame(b"hello"))
        self.assertEqual(self.received(peer)[0], (BINARY, b"bad handshake\n"))

    def test_not_delivered(self) -> None:
        """What is held for a peer that has not granted it is not delivered."""
        transport = connect_twisted(self, self.factory.buildProtocol(None))
        websocket = transport.protocol
        self.assertTrue(websocket.has_delivered())
        websocket.credit = Credit(websocket.write, lambda: None)
        self.assertTrue(websocket.has_delivered())
        websocket.credit.send(b"x")
        self.assertFalse(websocket.has_delivered())

    def test_held(self) -> None:
        """What is held for a peer that has not granted it is reported, in the next process too."""
        websocket, tcp = self.pair_credited()
        hook = HeldBytes(cast(Any, websocket))
        tcp.deliver(b"abc")
        self.assertEqual(hook.count, 1)
        protocol: Any = websocket.protocol
        transport = FakeTransport(self.clock)
        hook = HeldBytes(cast(Any, transport))
        transport.connect(self.factory.reopen(0, self.relay.add_connection, protocol.release()))
        self.assertEqual(hook.count, 1)

    def test_close(self) -> None:
        """A peer without credit can leave."""
        websocket, tcp = self.pair_credited()
        websocket.deliver(close())
        websocket.drain()
        self.assertFalse(websocket.connected)
        tcp.drain()
        tcp.end()
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])
        self.assert_nothing_left()

    def test_buddy_leaves(self) -> None:
        """What was read of a buddy that has left is sent as it is granted, and then the close frame."""
        websocket, tcp = self.pair_credited()
        self.grant(websocket, b"1")
        tcp.deliver(b"abc")
        tcp.reset()
        self.assertEqual(self.received(websocket), [(BINARY, b"a")])
        self.grant(websocket, b"1")
        self.assertEqual(self.received(websocket), [(BINARY, b"b")])
        self.assertEqual(self.relay.live.closing, 1)
        self.grant(websocket, b"1")
        rest, end = self.received(websocket)
        self.assertEqual(rest, (BINARY, b"c"))
        self.assert_closed(end, NORMAL)
        websocket.deliver(close())
        websocket.drain()
        self.assert_nothing_left()

    def test_buddy_leaves_and_nothing_is_granted(self) -> None:
        """What a peer does not take within a minute is dropped with its connection."""
        websocket, tcp = self.pair_credited()
        self.grant(websocket, b"1")
        tcp.deliver(b"abc")
        tcp.reset()
        self.clock.pump([59.0, 2.0, 0.0])
        self.assertTrue(websocket.aborted)
        self.assert_nothing_left()


class HandoverTests(WebSocketCase):
    """What another process goes on with; for both of them see the tests of `wormhole_server.service`."""

    def test_late_pong(self) -> None:
        """A ping that waits for its peer to read is answered behind all that waits for the peer."""
        websocket, tcp = self.pair()
        while tcp.reading:
            tcp.deliver(b"x" * 65536)
        websocket.deliver(frame(b"late", PING))
        protocol: Any = websocket.protocol
        self.assertEqual(protocol.release(), HandedWebSocket())
        self.assertEqual(self.received(websocket)[-1], (PONG, b"late"))

    def test_possible(self) -> None:
        """It takes an open WebSocket, and a TCP socket right below."""
        in_memory: Any = self.connect(HANDSHAKE).protocol
        self.assertFalse(in_memory.can_be_handed_over)
        websocket = connect_twisted(self, self.factory.buildProtocol(None)).protocol
        self.assertFalse(websocket.can_be_handed_over)
        websocket.dataReceived(REQUEST)
        self.assertTrue(websocket.can_be_handed_over)
        websocket.abort()
        self.assertFalse(websocket.can_be_handed_over)


class FailureTests(WebSocketCase):
    """Exceptions outside what the peer sends."""

    def test_not_begun(self) -> None:
        """A peer whose opening handshake cannot begin is disconnected."""
        self.patch(self.factory._openings, "begin", lambda _: 1 // 0)
        peer = self.dial()
        peer.deliver(REQUEST[:10])
        self.assertTrue(peer.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.errors, 1)

    def test_not_pinged(self) -> None:
        """A peer that cannot be pinged is disconnected: nothing would find out that it is gone."""
        peer = self.connect(HANDSHAKE)
        self.patch(websocket, "ping_frame", lambda: 1 // 0)
        self.clock.advance(60.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.errors, 1)
        self.assert_closed(self.received(peer)[-1], INTERNAL)
