"""Tests of `rendezvous.websocket`: Autobahn's side is real, the transport is memory."""

from __future__ import annotations

import base64
import gc
import inspect
import json
import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from rendezvous.connections import websocket
from rendezvous.connections.client import Client
from rendezvous.connections.websocket import RendezvousFactory, RendezvousProtocol
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.queue import Job
from rendezvous.observer import DropReason
from tests.connection_hooks import HeldBytes
from tests.rendezvous.fakes import Recorder, StoreRunner
from tests.rendezvous.servers import LIMITS, make_rendezvous
from tests.rendezvous.stores import OnSqlite, StoreCase
from tests.schedulers import make_scheduler

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
LIMIT = 1000


class Transport(StringTransport):
    """A transport that remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.1", 4711))
        self.no_delay = False
        self.aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's
        """See `ITCPTransport`, as much of it as is used."""
        self.no_delay = enabled

    def unregisterProducer(self) -> None:
        """See `ITransport`; like TCP's it does not mind that there is none."""
        if self.producer is not None:
            super().unregisterProducer()

    def abortConnection(self) -> None:
        """See `ITCPTransport`, as much of it as is used."""
        self.aborted = True
        super().abortConnection()


def frame(opcode: int, payload: bytes, *, final: bool = True, length: int | None = None) -> bytes:
    """A client's frame, masked; `length` where it lies about that."""
    size = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if final else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def take_frames(data: bytes) -> list[tuple[int, bytes]]:
    """What the server has sent, frame by frame."""
    frames = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        frames.append((data[0] & 0x0F, data[start : start + size]))
        data = data[start + size :]
    return frames


class WebSocketCase(OnSqlite, StoreCase):
    """A case with a factory, and connections to it."""

    def setUp(self) -> None:
        """Bring up a server."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        ledger = Ledger(make_scheduler(self.clock))
        ledger.open([StoreRunner(self.store)])
        self.server = make_rendezvous(
            self.clock, ledger, self.observer, limits=attrs.evolve(LIMITS, pending_commands=5)
        )
        self.factory = self.make_factory()

    def make_factory(self, **settings: Any) -> RendezvousFactory:
        """Make a factory whose limit is small."""
        return RendezvousFactory(self.server, **self.settings(**settings))

    def settings(self, **settings: Any) -> dict[str, Any]:
        """The arguments of a factory, some of them replaced."""
        return {
            "max_message_bytes": LIMIT,
            "open_handshake_seconds": 10.0,
            "allowed_origins": ["*"],
            "options": {},
            **settings,
        }

    def connect(
        self, factory: RendezvousFactory | None = None, **headers: str
    ) -> tuple[RendezvousProtocol, Transport]:
        """A connection that has sent its handshake."""
        protocol, transport = self.dial(factory)
        protocol.dataReceived(self.handshake(**headers))
        return protocol, transport

    def dial(
        self, factory: RendezvousFactory | None = None
    ) -> tuple[RendezvousProtocol, Transport]:
        """A connection that has sent nothing yet."""
        protocol = (factory or self.factory).buildProtocol(None)
        if not isinstance(protocol, RendezvousProtocol):
            raise AssertionError(protocol)
        transport = Transport()
        protocol.makeConnection(transport)
        return protocol, transport

    def handshake(self, **headers: str) -> bytes:
        """A client's upgrade request."""
        lines = [
            "GET /v1 HTTP/1.1",
            "Host: example.org:4000",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def open(self) -> tuple[RendezvousProtocol, Transport]:
        """A connection that has been greeted and is bound."""
        protocol, transport = self.connect()
        bind = json.dumps({"type": "bind", "appid": "app", "side": "side"}).encode()
        protocol.dataReceived(frame(TEXT, bind))
        transport.clear()
        return protocol, transport

    def settle(self) -> None:
        """Let the ledger do all that waits."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def said(self, transport: Transport) -> list[dict[str, Any]]:
        """The messages that the server has sent since the last look; all frames are text."""
        frames = take_frames(transport.value())
        transport.clear()
        self.assertEqual({opcode for opcode, _ in frames} - {TEXT}, set())
        return [json.loads(payload) for _, payload in frames]

    def close_code(self, transport: Transport) -> int | None:
        """The code of the close frame that the server has sent."""
        codes = [
            int.from_bytes(payload[:2], "big")
            for opcode, payload in take_frames(transport.value())
            if opcode == CLOSE
        ]
        return codes[-1] if codes else None


class HandshakeTests(WebSocketCase):
    """The way to an open connection."""

    def test_welcome(self) -> None:
        """After the handshake the first frame is the greeting, and small packets are not held back."""
        _, transport = self.connect()
        head, _, rest = transport.value().partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "))
        ((opcode, payload),) = take_frames(rest)
        self.assertEqual((opcode, json.loads(payload)["type"]), (TEXT, "welcome"))
        self.assertTrue(transport.no_delay)
        self.assertEqual(self.observer.connections, 1)
        self.assertEqual(self.factory.connections.count, 1)

    def test_command_in_the_same_segment(self) -> None:
        """A client may send commands without waiting for the greeting, in one segment with the request."""
        protocol, transport = self.dial()
        bind = json.dumps({"type": "bind", "appid": "app", "side": "side", "id": "x"}).encode()
        protocol.dataReceived(self.handshake() + frame(TEXT, bind))
        _, _, rest = transport.value().partition(b"\r\n\r\n")
        types = [json.loads(payload)["type"] for _, payload in take_frames(rest)]
        self.assertEqual(types, ["welcome", "ack"])

    def test_byte_by_byte(self) -> None:
        """Handshake and frames may arrive a byte at a time."""
        protocol, transport = self.dial()
        ping = json.dumps({"type": "ping", "ping": 1}).encode()
        for byte in self.handshake() + frame(TEXT, ping) + frame(BINARY, ping):
            protocol.dataReceived(bytes([byte]))
        self.settle()
        _, _, rest = transport.value().partition(b"\r\n\r\n")
        types = [json.loads(payload)["type"] for _, payload in take_frames(rest)]
        self.assertEqual(types, ["welcome", "ack", "pong", "ack", "pong"])

    def test_origins(self) -> None:
        """Pages of any origin are welcome, unless the operator names those that are."""
        _, transport = self.connect(Origin="https://anywhere.example")
        self.assertIn(b" 101 ", transport.value().split(b"\r\n")[0])
        factory = self.make_factory(allowed_origins=["https://*.example.org:443"])
        for origin, status in (
            ("https://app.example.org", b"101"),
            ("https://example.net", b"400"),
            ("https://app.example.org.evil.net", b"400"),
        ):
            _, transport = self.connect(factory, Origin=origin)
            self.assertEqual(transport.value().split(b" ")[1], status, origin)
        _, transport = self.connect(factory)
        self.assertIn(b" 101 ", transport.value().split(b"\r\n")[0])

    def test_slow_handshake(self) -> None:
        """A client that has not finished its handshake after 10 seconds is dropped."""
        protocol, transport = self.dial()
        protocol.dataReceived(b"GET /v1 HTTP/1.1\r\n")
        self.clock.advance(9.9)
        self.assertFalse(transport.disconnecting)
        self.clock.advance(0.2)
        self.assertTrue(transport.disconnecting)

    def test_no_websocket(self) -> None:
        """What is no WebSocket handshake is refused and counts for nothing."""
        for request in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0\xff\r\n\r\n", b"\r\n\r\n"):
            protocol, transport = self.dial()
            protocol.dataReceived(request)
            self.assertTrue(transport.disconnecting)
            self.assertNotIn(b" 101 ", transport.value())
        self.assertEqual(self.observer.connections, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_operators_options(self) -> None:
        """The operator's options for Autobahn come after ours."""
        factory = self.make_factory(options={"serveFlashSocketPolicy": False, "tcpNoDelay": False})
        _, transport = self.connect(factory)
        self.assertFalse(transport.no_delay)


class ConfigureTests(WebSocketCase):
    """Other options while clients are connected."""

    def test_message_size(self) -> None:
        """Who connects from now on has the new limit; who is there keeps the old."""
        old, old_transport = self.open()
        self.factory.configure(**self.settings(max_message_bytes=10 * LIMIT))
        new, new_transport = self.open()
        message = json.dumps({"type": "ping", "ping": 0, "id": "x" * 2 * LIMIT}).encode()
        old.dataReceived(frame(TEXT, message))
        new.dataReceived(frame(TEXT, message))
        self.clock.advance(0)
        self.assertIn(CLOSE, [opcode for opcode, _ in take_frames(old_transport.value())])
        self.assertNotIn(CLOSE, [opcode for opcode, _ in take_frames(new_transport.value())])

    def test_all_back(self) -> None:
        """What was set before and is not named any more is back at its default."""
        factory = self.make_factory(
            options={"autoPingSize": 20}, allowed_origins=["https://a.example"]
        )
        factory.configure(**self.settings())
        protocol, transport = self.connect(factory, Origin="https://b.example")
        self.assertIn(b" 101 ", transport.value())
        self.assertEqual(protocol._options.auto_ping.size, 12)

    def test_handshake_time(self) -> None:
        """The time to open the WebSocket follows, too."""
        self.factory.configure(**self.settings(open_handshake_seconds=2.0))
        _, transport = self.dial()
        self.clock.advance(2.1)
        self.assertTrue(transport.aborted or transport.disconnecting)


class MessageTests(WebSocketCase):
    """Commands in, answers out."""

    def test_text_and_binary(self) -> None:
        """A command may be a text or a binary message; the answers are text."""
        protocol, transport = self.open()
        for opcode in (TEXT, BINARY):
            protocol.dataReceived(frame(opcode, b'{"type":"ping","ping":1}'))
            self.assertEqual([each["type"] for each in self.said(transport)], ["ack", "pong"])

    def test_fragments(self) -> None:
        """A command may come in fragments, empty ones too, with a ping in between."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(TEXT, b'{"type":"pi', final=False))
        protocol.dataReceived(frame(PING, b"hello"))
        self.assertEqual(take_frames(transport.value()), [(PONG, b"hello")])
        transport.clear()
        protocol.dataReceived(frame(CONTINUATION, b"", final=False))
        protocol.dataReceived(frame(CONTINUATION, b'ng","ping":1}'))
        self.assertEqual([each["type"] for each in self.said(transport)], ["ack", "pong"])

    def test_bad_utf8(self) -> None:
        """A message that is no UTF-8 is answered like any other bad message; the connection stays."""
        protocol, transport = self.open()
        for opcode in (TEXT, BINARY):
            protocol.dataReceived(frame(opcode, b"\xff\xfe{}"))
            protocol.dataReceived(frame(opcode, b"", final=True))
        said = self.said(transport)
        self.assertEqual([each["type"] for each in said], ["ack", "error"] * 4)
        self.assertFalse(transport.disconnecting)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_largest(self) -> None:
        """A message of just the limit is answered, in one frame and in two."""
        protocol, transport = self.open()
        payload = b'{"type":"ping","ping":1}'.ljust(LIMIT)
        protocol.dataReceived(frame(TEXT, payload))
        protocol.dataReceived(frame(TEXT, payload[:500], final=False))
        protocol.dataReceived(frame(CONTINUATION, payload[500:]))
        self.assertEqual([each["type"] for each in self.said(transport)], ["ack", "pong"] * 2)

    def test_oversized(self) -> None:
        """A longer message ends the connection with code 1009, is counted once, and nothing is kept."""
        for pieces in (
            [frame(TEXT, b"x" * (LIMIT + 1))],
            [frame(TEXT, b"", length=40_000_000)],
            [frame(TEXT, b"", length=2**62)],
            [frame(TEXT, b"x" * LIMIT, final=False), frame(CONTINUATION, b"x")],
        ):
            self.observer.drops.clear()
            protocol, transport = self.open()
            for piece in pieces:
                protocol.dataReceived(piece)
            self.assertEqual(self.close_code(transport), 1009)
            self.assertEqual(self.observer.drops, [DropReason.OVERSIZED])
            transport.clear()
            for _ in range(50):
                protocol.dataReceived(b"x" * 65536)
            protocol.dataReceived(frame(TEXT, b'{"type":"ping","ping":1}'))
            self.assertEqual(transport.value(), b"")
            self.assertEqual(protocol._reader.unfinished_bytes, 0)
            self.clock.advance(3.0)
            self.assertTrue(transport.disconnecting)
            self.assertEqual(self.observer.drops, [DropReason.OVERSIZED])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_empty_fragments(self) -> None:
        """A message of endless empty fragments takes no memory."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(TEXT, b"", final=False))
        for _ in range(1000):
            protocol.dataReceived(frame(CONTINUATION, b"", final=False))
        self.assertEqual(protocol._reader.unfinished_bytes, 0)
        protocol.dataReceived(frame(CONTINUATION, b'{"type":"ping","ping":1}'))
        self.assertEqual([each["type"] for each in self.said(transport)], ["ack", "pong"])

    def test_endless_control_frame(self) -> None:
        """Of a ping that is too long, and goes on and on, nothing is kept."""
        protocol, _ = self.open()
        protocol.dataReceived(frame(PING, b"", length=2**62))
        for _ in range(10):
            protocol.dataReceived(b"x" * 65536)
        self.assertEqual(protocol._reader.unfinished_bytes, 0)

    def test_protocol_fault(self) -> None:
        """A frame that breaks the protocol ends the connection, and nothing is logged."""
        for wrong in (
            b"\x81\x02{}",  # not masked
            frame(0x3, b"x"),
            frame(CONTINUATION, b"x"),
            frame(0x41, b"{}"),
            frame(PING, b"x" * 126),
            frame(PING, b"x" * 256),
            frame(PING, b"x", final=False),
        ):
            protocol, transport = self.open()
            protocol.dataReceived(wrong)
            self.clock.advance(3.0)
            self.assertTrue(transport.disconnecting)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_answered_before_a_fault(self) -> None:
        """Commands in one piece with a broken or oversized frame are answered before the close."""
        for wrong, code in (
            (frame(CONTINUATION, b"x"), 1002),
            (frame(TEXT, b"x" * (LIMIT + 1)), 1009),
            (frame(CLOSE, b"\x03\xe8"), 1000),
        ):
            for direct in (False, True):
                protocol, transport = self.open()
                # As on Twisted's own transport: answers wait for the end of the turn.
                protocol._direct = direct
                self.patch(
                    websocket, "write_at_once", lambda transport, data: transport.write(data)
                )
                protocol.dataReceived(frame(TEXT, b'{"type":"ping","ping":1}') + wrong)
                self.settle()
                *answers, (opcode, payload) = take_frames(transport.value())
                self.assertEqual(
                    [json.loads(answer)["type"] for _, answer in answers], ["ack", "pong"]
                )
                self.assertEqual((opcode, payload[:2]), (CLOSE, code.to_bytes(2, "big")))

    def test_fault_in_the_same_segment(self) -> None:
        """A broken frame in one piece with the request is answered behind the greeting."""
        protocol, transport = self.dial()
        protocol.dataReceived(self.handshake() + frame(CONTINUATION, b"x"))
        _, _, rest = transport.value().partition(b"\r\n\r\n")
        self.assertEqual([opcode for opcode, _ in take_frames(rest)], [TEXT, CLOSE])

    @given(st.lists(st.integers(1, 60), max_size=12), st.integers(0, 3), st.data())
    def test_any_split(self, cuts: list[int], fragments: int, data: st.DataObject) -> None:
        """However frames are cut into segments and messages into frames, each is answered once."""
        protocol, transport = self.open()
        wire = b""
        for number in range(5):
            payload = json.dumps({"type": "ping", "ping": number}).encode()
            ends = sorted(
                data.draw(
                    st.lists(st.integers(0, len(payload)), min_size=fragments, max_size=fragments)
                )
            )
            pieces = [
                payload[start:end]
                for start, end in zip([0, *ends], [*ends, len(payload)], strict=True)
            ]
            for place, piece in enumerate(pieces):
                opcode = CONTINUATION if place else data.draw(st.sampled_from([TEXT, BINARY]))
                wire += frame(opcode, piece, final=place == len(pieces) - 1)
        for cut in cuts:
            protocol.dataReceived(wire[:cut])
            wire = wire[cut:]
        protocol.dataReceived(wire)
        self.settle()
        pongs = [each["pong"] for each in self.said(transport) if each["type"] == "pong"]
        self.assertEqual(pongs, list(range(5)))


class FlowTests(WebSocketCase):
    """Who may wait for whom."""

    def test_input_held(self) -> None:
        """When too many commands of a client wait for their results nothing more is read from it."""
        protocol, transport = self.open()
        for _ in range(5):
            protocol.dataReceived(frame(TEXT, b'{"type":"list"}'))
        self.assertEqual(transport.producerState, "paused")
        self.settle()
        self.assertEqual(transport.producerState, "producing")
        self.assertEqual(len(self.said(transport)), 10)

    def test_output_counted(self) -> None:
        """The transport tells its client when it holds enough, and a client that never reads is aborted."""
        protocol, transport = self.open()
        self.assertIs(transport.producer, protocol)
        self.assertTrue(transport.streaming)
        protocol.pauseProducing()
        payload = frame(TEXT, json.dumps({"type": "ping", "ping": "x" * 900}).encode())
        for _ in range(5000):
            protocol.dataReceived(payload)
            self.clock.advance(0)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.observer.drops, [DropReason.NOT_READING])
        self.assertLess(len(transport.value()), 4 * 1024 * 1024 + 1000)

    def test_pongs(self) -> None:
        """Of the pings of a client that does not read only the latest is answered, when it reads again."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(PING, b"hello"))
        self.assertEqual(take_frames(transport.value()), [(PONG, b"hello")])
        transport.clear()
        protocol.pauseProducing()
        protocol.dataReceived(frame(PING, b"x" * 125) * 100 + frame(PING, b"last"))
        self.clock.pump([0.0] * 100)
        self.assertEqual(transport.value(), b"")
        protocol.resumeProducing()
        protocol.resumeProducing()
        self.assertEqual(take_frames(transport.value()), [(PONG, b"last")])

    def test_unfinished(self) -> None:
        """What has arrived of a message that is not whole is known, and each such message by its number."""
        protocol, transport = self.open()
        hook = HeldBytes(transport)
        protocol.dataReceived(frame(TEXT, b"{}"))
        self.assertEqual((protocol.held_bytes, protocol.unfinished_message), (0, None))
        self.assertEqual(hook.count, 0)
        numbers = []
        for _ in range(2):
            protocol.dataReceived(frame(TEXT, b"{", final=False))
            protocol.dataReceived(frame(PING, b""))
            numbers.append(protocol.unfinished_message)
            self.assertEqual(protocol.held_bytes, 1)
            protocol.pause()
            self.assertIsNone(protocol.unfinished_message)  # it cannot finish it
            protocol.resume()
            protocol.dataReceived(frame(CONTINUATION, b"}"))
            self.assertEqual((protocol.held_bytes, protocol.unfinished_message), (0, None))
        self.assertEqual(len({*numbers, None}), 3)
        self.assertEqual(hook.count, 4)

    def test_waits_in_line(self) -> None:
        """What waits for its turn is held, even if it is a whole message."""
        protocol, transport = self.open()
        hook = HeldBytes(transport)
        protocol.pause()
        protocol.dataReceived(frame(TEXT, b"{}"))
        self.assertEqual((hook.count, protocol.held_bytes), (1, 8))

    def test_drained(self) -> None:
        """A client that has read all begins anew."""
        protocol, transport = self.open()
        payload = frame(TEXT, json.dumps({"type": "ping", "ping": "x" * 900}).encode())
        for _ in range(10):
            protocol.pauseProducing()
            for _ in range(1000):
                protocol.dataReceived(payload)
            protocol.resumeProducing()
        self.assertFalse(transport.aborted)


class WorkTests(WebSocketCase):
    """Clients that send much."""

    def crowd(self) -> None:
        """Another address is active."""
        scheduler = self.server.scheduler
        scheduler.arrived(scheduler.new_task(1, lambda _: False))

    def test_in_line(self) -> None:
        """What is not handled at once waits in line, and nothing more is read meanwhile."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(PING, b"x") * 1000)
        self.assertEqual(transport.producerState, "paused")
        at_once = len(take_frames(transport.value()))
        self.assertLess(at_once, 100)
        self.settle()
        self.assertEqual(transport.producerState, "producing")
        self.assertEqual(take_frames(transport.value()), [(PONG, b"x")] * 1000)

    def test_delivered_while_paused(self) -> None:
        """What TLS delivers after a pause is handled in its turn."""
        protocol, transport = self.open()
        for number in range(10):
            protocol.dataReceived(frame(PING, b"%d" % number) * 100)
        self.settle()
        pongs = [payload for _, payload in take_frames(transport.value())]
        self.assertEqual(pongs, [b"%d" % (number // 100) for number in range(1000)])

    def test_one_at_a_time(self) -> None:
        """Beside others, who floods has one command in the ledger, and the rest is not even read."""
        protocol, transport = self.open()
        self.crowd()
        submitted: list[int] = []
        run = self.server._ledger.run

        def count(job: Job) -> None:
            submitted.append(self.server._ledger.backlog().waiting)
            run(job)

        self.patch(self.server._ledger, "run", count)
        protocol.dataReceived(frame(PING, b"x") * 1000 + frame(TEXT, b'{"type":"list"}') * 20)
        self.settle()
        self.assertEqual(submitted, [0] * 20)
        self.assertEqual(len(take_frames(transport.value())), 1040)
        self.assertEqual(transport.producerState, "producing")

    def test_byte_by_byte(self) -> None:
        """Who sends a message in many small pieces waits like those that flood; two or three are no flood."""
        scheduler, ping = self.server.scheduler, frame(TEXT, b'{"type":"ping","ping":1}')

        def floods(size: int) -> bool:
            protocol, transport = self.open()
            client = protocol.client
            assert client is not None
            self.crowd()
            for start in range(0, len(ping), size):
                protocol.dataReceived(ping[start : start + size])
            limited = scheduler.is_limited(client.task)
            self.settle()
            self.assertEqual([each["type"] for each in self.said(transport)], ["ack", "pong"])
            return limited

        self.assertEqual(
            [floods(size) for size in (1, 6, 10, len(ping))], [True, True, False, False]
        )

    def test_counts_as_heard(self) -> None:
        """A client that nothing is read from is not dropped for its silence."""
        protocol, _ = self.open()
        for _ in range(5):
            protocol.dataReceived(frame(TEXT, b'{"type":"list"}'))
        client = protocol.client
        assert client is not None
        client.heard = False
        client.ping()
        self.assertTrue(client.heard)
        self.settle()
        client.heard = False
        client.ping()
        self.assertFalse(client.heard)

    def test_lost_in_line(self) -> None:
        """A connection that is lost in line is handled no further."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(PING, b"x") * 1000)
        before = len(transport.value())
        protocol.connectionLost()
        self.settle()
        self.assertEqual(len(transport.value()), before)

    def test_close_in_line(self) -> None:
        """Nothing is handled behind a close frame that waited in line."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(PING, b"x") * 1000 + frame(CLOSE, b"") + frame(PING, b"y"))
        self.settle()
        self.assertEqual(len(take_frames(transport.value())), 1001)
        self.assertTrue(transport.disconnecting)


class MemoryTests(WebSocketCase):
    """What a client costs that waits."""

    COUNT = 300
    BYTES = 1800
    """A tenth more than Python 3.11 takes; an empty set or deque for each client would be too much."""

    def test_waiting(self) -> None:
        """A client that is bound and waits takes little memory, its transport left aside."""
        self.open()  # makes what all share
        gc.collect()
        transports = [Transport() for _ in range(self.COUNT)]
        requests = [self.handshake() for _ in transports]
        bind = frame(TEXT, json.dumps({"type": "bind", "appid": "app", "side": "side"}).encode())
        protocols: list[RendezvousProtocol] = []
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for transport, request in zip(transports, requests, strict=True):
            protocol = self.factory.buildProtocol(None)
            protocol.makeConnection(transport)
            protocol.dataReceived(request)
            protocol.dataReceived(bind)
            transport.clear()
            protocols.append(protocol)
        self.settle()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess((after - before) / self.COUNT, self.BYTES)


class EndTests(WebSocketCase):
    """How a connection ends."""

    def test_client_says_goodbye(self) -> None:
        """A close frame is answered, and nothing of the connection is left."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(CLOSE, (1000).to_bytes(2, "big")))
        self.assertEqual(self.close_code(transport), 1000)
        protocol.connectionLost()
        self.assertEqual((self.observer.connections, self.factory.connections.count), (0, 0))
        self.assertEqual(self.observer.drops, [])

    def test_connection_lost(self) -> None:
        """A connection that breaks leaves nothing, whenever it does."""
        protocol, _ = self.open()
        protocol.connectionLost()
        unfinished, _ = self.dial()
        unfinished.connectionLost()
        self.clock.advance(20)
        self.assertEqual((self.observer.connections, self.factory.connections.count), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_going_away(self) -> None:
        """A server that stops says so to every client, and knows when the last has gone."""
        connections = [self.open() for _ in range(3)]
        empty = self.factory.connections.when_empty()
        self.factory.connections.go_away(0.0)
        for protocol, transport in connections:
            self.assertEqual(self.close_code(transport), 1001)
            self.assertNoResult(empty)
            protocol.connectionLost()
        self.successResultOf(empty)
        self.successResultOf(self.factory.connections.when_empty())

    def test_newcomer_of_a_server_that_stops(self) -> None:
        """Who comes when the server is going is told so at once."""
        self.factory.connections.go_away(0.0)
        _, transport = self.connect()
        data = transport.value().partition(b"\r\n\r\n")[2]
        opcode, payload = take_frames(data)[-1]
        self.assertEqual((opcode, payload[:2]), (CLOSE, (1001).to_bytes(2, "big")))

    def test_aborting(self) -> None:
        """A server in a hurry ends all connections at once, those that are closing as well."""
        connections = [self.open() for _ in range(2)]
        self.factory.connections.go_away(0.0)
        self.factory.connections.abort_all()
        self.assertTrue(all(transport.aborted for _, transport in connections))

    def test_dropped_by_the_heartbeat(self) -> None:
        """A silent client gets pings, and is aborted at last."""
        self.server.startService()
        _, transport = self.open()
        self.clock.pump([1.0] * 181)
        self.assertEqual([opcode for opcode, _ in take_frames(transport.value())], [PING, PING])
        self.assertTrue(transport.aborted)
        self.assertEqual(self.observer.drops, [DropReason.SILENT])
        self.server.stopService()

    def test_goodbye_of_who_does_not_read(self) -> None:
        """A client that says goodbye and does not read what waits for it is aborted like any silent one."""
        self.server.startService()
        protocol, transport = self.open()
        protocol.dataReceived(frame(CLOSE, (1000).to_bytes(2, "big")))
        self.assertEqual((transport.disconnecting, transport.aborted), (True, False))
        self.clock.pump([1.0] * 181)
        self.assertTrue(transport.aborted)
        self.server.stopService()

    def test_pong_is_a_sign_of_life(self) -> None:
        """A client that answers pings stays."""
        self.server.startService()
        protocol, transport = self.open()
        for _ in range(10):
            self.clock.pump([1.0] * 60)
            protocol.dataReceived(frame(PONG, b""))
        self.assertFalse(transport.disconnecting)
        self.server.stopService()

    def test_data_after_the_end(self) -> None:
        """What comes after the end, as TLS may hand it on, is not kept."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(CLOSE, b"\x03\xe8"))
        self.assertTrue(transport.disconnecting)
        protocol.dataReceived(b"x" * 65536)
        self.assertEqual(protocol._reader.unfinished_bytes, 0)

    def test_nothing_for_who_has_gone(self) -> None:
        """A result for a client that is closing or gone is not written."""
        protocol, transport = self.open()
        protocol.dataReceived(frame(TEXT, b'{"type":"claim","nameplate":"7"}'))
        protocol.dataReceived(frame(CLOSE, (1000).to_bytes(2, "big")))
        transport.clear()
        self.settle()
        protocol.connectionLost()
        self.settle()
        self.assertEqual(transport.value(), b"")
        self.assertEqual(self.flushLoggedErrors(), [])


class FaultTests(WebSocketCase):
    """Exceptions that nobody foresaw, in what the transport calls."""

    def raiser(self, raised: list[str]) -> Callable[..., None]:
        """A method that raises, and notes that it did."""

        def method(*_: object, **__: object) -> None:
            raised.append("raised")
            raise ZeroDivisionError

        return method

    def test_every_method_of_a_client(self) -> None:
        """Whichever method of a client raises, it is logged and counted, and other clients go on."""
        for name, member in vars(Client).items():
            if not inspect.isfunction(member) or name == "__init__":
                continue
            self.observer.counts.clear()
            protocol, _ = self.open()
            other, other_transport = self.open()
            raised: list[str] = []
            self.patch(Client, name, self.raiser(raised))
            for call in (
                protocol.pauseProducing,
                protocol.resumeProducing,
                lambda: protocol.dataReceived(frame(PING, b"") + frame(TEXT, b"{}")),  # noqa: B023
                self.settle,
                protocol.connectionLost,
            ):
                call()
                if raised:
                    break
            setattr(Client, name, member)
            if raised:
                self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(raised), name)
                self.assertGreaterEqual(self.observer.counts["internal_error"], 1, name)
            other.dataReceived(frame(PING, b"x"))
            self.assertIn((PONG, b"x"), take_frames(other_transport.value()), name)
            self.assertFalse(other_transport.disconnecting, name)
