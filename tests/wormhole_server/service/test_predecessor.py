"""Tests of `wormhole_server.service.predecessor`, with what a relay of this process hands over."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from functools import partial
from typing import Any

import attrs
from twisted.internet.protocol import Factory

from tests.transit_relay.fakes import LIMITS, TOKEN, handshake
from tests.transit_relay.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    REQUEST,
    TEXT,
    frame,
    parse,
)
from tests.wormhole_server.files import new_path
from tests.wormhole_server.service.handovers import HandoverCase, KeepingNotifier
from transit_relay.credit import SUBPROTOCOL
from transit_relay.websocket import TransitWebSocket
from wormhole_limits.ip_addresses import address_block
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.state import HandedState, encode
from wormhole_server.service.predecessor import Predecessor
from wormhole_websocket.frames import binary_header


class PredecessorCase(HandoverCase):
    """What a server hands over goes on in the next relay."""

    def take_over(self, kept: int | None) -> Predecessor:
        """A process that systemd gives what it has kept."""
        self.notifier = KeepingNotifier(kept)
        predecessor = Predecessor(
            self.reactor, lambda: 0.0, self.notifier, None, {Endpoint("tcp:4001")}
        )
        self.successResultOf(predecessor.startService())
        return predecessor

    def go_on(self, kept: int | None) -> Predecessor:
        """A process that goes on with everything."""
        self.make_relay()
        predecessor = self.take_over(kept)
        predecessor.resume(self.relay, self.websockets, self.limiting(Factory()))
        return predecessor


class PredecessorTests(PredecessorCase):
    def test_resumed(self) -> None:
        """The relay's connections go on, and systemd forgets them."""
        one, other, waiting = self.peer(0), self.peer(1), self.peer(0, b"1" * 64)
        self.expect(one, b"ok\n")
        self.expect(other, b"ok\n")
        self.until(lambda: self.relay.live.waiting == 1)
        self.hand_over()
        self.assertEqual(self.policy.limiter.total, 0)
        packed = self.kept()

        self.go_on(packed)
        self.assertEqual(self.policy.limiter.total, 3)
        self.assertEqual((self.relay.live.paired, self.relay.live.waiting), (2, 1))
        one.sendall(b"still here")
        self.expect(other, b"still here")
        buddy = self.peer(1, b"1" * 64)
        for each in (waiting, buddy):
            self.expect(each, b"ok\n")
        self.assertTrue(self.notifier.forgotten)
        self.assertIn("Taken over: 3 connections of the relay.", " ".join(self.logged()))

    def test_peer_gone(self) -> None:
        """One whose peer has gone on the way is lost; its buddy is told."""
        one, other = self.peer(0), self.peer(1)
        self.expect(one, b"ok\n")
        self.expect(other, b"ok\n")
        self.hand_over()
        self.reset(one)
        self.go_on(self.kept())
        self.until(lambda: self.has_ended(other))

    def test_other_copies(self) -> None:
        """A process that fails before it serves leaves everything to the next one."""
        one, other = self.peer(0), self.peer(1)
        self.expect(one, b"ok\n")
        self.expect(other, b"ok\n")
        self.hand_over()
        packed = self.kept()
        self.take_over(os.dup(packed))
        self.go_on(packed)
        one.sendall(b"still here")
        self.expect(other, b"still here")

    def test_ports(self) -> None:
        """A port is there for its endpoint, once; one that has none is closed at once."""
        ours, strange = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        number = strange.getsockname()[1]
        state = HandedState(0.0, ("tcp:4001", "tcp:4002"))
        packed = bundle.pack(encode(state), [ours, strange])
        bundle.close_all([ours, strange])
        predecessor = self.take_over(packed)
        with socket.socket() as closed:
            self.assertNotEqual(closed.connect_ex(("127.0.0.1", number)), 0)
        port = predecessor.port(Endpoint("tcp:4001"))
        assert port is not None
        port.close()
        self.assertIsNone(predecessor.port(Endpoint("tcp:4001")))

    def test_nothing(self) -> None:
        """A first start has nothing to go on with."""
        predecessor = self.go_on(None)
        self.assertIsNone(predecessor.port(Endpoint("tcp:4001")))
        self.assertFalse(self.notifier.forgotten)
        self.assertEqual(self.logged(), [])

    def test_unusable(self) -> None:
        """What cannot be read is closed, with a line that says why, and the server starts."""
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        newer = b'{"version": 7}'
        too_few = encode(HandedState(0.0, ("tcp:4001", "tcp:4002")))
        for description, why in ((newer, "version 7"), (too_few, "2 sockets, and 1 came")):
            self.go_on(bundle.pack(description, [other]))
            self.assertTrue(self.notifier.forgotten)
            (line,) = self.logged()
            self.assertIn(why, line)
        other.close()
        self.assertEqual(one.recv(1), b"")
        no_socket, writing = os.pipe()
        os.close(writing)
        self.take_over(no_socket)
        os.close(no_socket)
        (line,) = self.logged()
        self.assertIn("cannot be used", line)


class WebSocketTests(PredecessorCase):
    """Peers on WebSocket, in the relay that their next process has."""

    def connect(self, *frames: bytes, credit: bool = False) -> socket.socket:
        """A peer that has opened its WebSocket, and sent `frames`."""
        peer = self.dial(self.web_port)
        self.open(peer, *frames, credit=credit)
        return peer

    def open(self, peer: socket.socket, *frames: bytes, credit: bool = False) -> None:
        """Open the WebSocket of a client, which then sends `frames`."""
        asked = b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode() + b"\r\n" if credit else b""
        peer.sendall(REQUEST[:-2] + asked + b"\r\n")
        head = b""

        def is_open() -> bool:
            nonlocal head
            with contextlib.suppress(BlockingIOError):
                head += peer.recv(1024)
            return head.endswith(b"\r\n\r\n")

        self.until(is_open)
        for each in frames:
            peer.sendall(each)

    def pair(self, *, credit: bool = False) -> tuple[socket.socket, socket.socket]:
        """One on WebSocket and one on TCP, which have their ok."""
        websocket, tcp = self.connect(frame(handshake(0)), credit=credit), self.peer(1)
        self.expect(websocket, binary_header(3) + b"ok\n")
        self.expect(tcp, b"ok\n")
        return websocket, tcp

    def served(self) -> TransitWebSocket:
        """The one that the relay has on WebSocket."""
        transports = [each.transport for each in self.relay._connections]
        (websocket,) = (each for each in transports if isinstance(each, TransitWebSocket))
        return websocket

    def settle(self) -> None:
        """Let the relay read what has arrived."""
        for _ in range(3):
            self.reactor.iterate(0)

    def received(self, peer: socket.socket, count: int) -> list[tuple[int, bytes]]:
        """The next so many frames that a peer is sent."""
        wire = b""
        frames: list[tuple[int, bytes]] = []

        def has_all() -> bool:
            nonlocal wire
            with contextlib.suppress(BlockingIOError):
                got = peer.recv(1 << 20)
                self.assertTrue(got)
                found, wire = parse(wire + got)
                frames.extend(found)
            return len(frames) >= count

        self.until(has_all)
        self.assertEqual((len(frames), wire), (count, b""))
        return frames

    def test_cut_anywhere(self) -> None:
        """Wherever the frames are when the process ends, the next one reads on from there."""
        wire = (
            frame(b"fragm", final=False)
            + frame(b"pinged", PING)
            + frame(b"ents and ", CONTINUATION)
            + frame(b"x" * 130)
        )
        for cut in range(len(wire) + 1):
            websocket, tcp = self.pair()
            websocket.sendall(wire[:cut])
            self.settle()
            self.hand_over()
            self.go_on(self.kept())
            self.assertEqual(self.relay.live.paired, 2)
            websocket.sendall(wire[cut:])
            self.expect(tcp, b"fragments and " + b"x" * 130)
            self.assertEqual(self.received(websocket, 1), [(PONG, b"pinged")])
            tcp.sendall(b"back")
            self.assertEqual(self.received(websocket, 1), [(BINARY, b"back")])
            websocket.close()
            self.until(partial(self.has_ended, tcp))
            tcp.close()

    def test_credit(self) -> None:
        """What a peer has granted goes on, a grant included of which a part has come."""
        wire = frame(b"4", TEXT) + frame(b"1", TEXT, final=False) + frame(b"0", CONTINUATION)
        for cut in range(len(wire) + 1):
            websocket, tcp = self.pair(credit=True)
            websocket.sendall(wire[:cut])
            self.settle()
            tcp.sendall(b"x" * 20)
            self.settle()
            self.hand_over()
            self.go_on(self.kept())
            self.assertEqual(self.relay.live.paired, 2)
            websocket.sendall(wire[cut:])
            got = b""
            while len(got) < 14:
                ((opcode, payload),) = self.received(websocket, 1)
                self.assertEqual(opcode, BINARY)
                got += payload
            self.settle()
            self.assertRaises(BlockingIOError, websocket.recv, 1)
            websocket.sendall(frame(b"6", TEXT))
            self.assertEqual(self.received(websocket, 1), [(BINARY, b"x" * 6)])
            self.reset(websocket)
            tcp.close()

    def test_does_not_read(self) -> None:
        """A peer that has not read what it was sent gets all of it in whole frames, and its pong."""
        websocket, tcp = self.pair()
        data = bytes(range(256)) * (1 << 15)
        sent = 0
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                sent += tcp.send(data[sent : sent + 50_000])
            self.settle()
        self.assertLess(sent, len(data))
        websocket.sendall(frame(b"late", PING))
        self.settle()
        self.hand_over()
        self.go_on(self.kept())
        got, wire = b"", b""
        pongs: list[bytes] = []
        while len(got) < sent or not pongs:
            self.reactor.iterate(0.01)
            with contextlib.suppress(BlockingIOError):
                found, wire = parse(wire + websocket.recv(1 << 20))
                pongs += [payload for opcode, payload in found if opcode == PONG]
                got += b"".join(payload for opcode, payload in found if opcode == BINARY)
        self.assertEqual((got, pongs), (data[:sent], [b"late"]))

    def test_counted(self) -> None:
        """Each belongs to the address that it is counted for, over TCP and over WebSocket."""
        self.pair()
        self.hand_over()
        self.go_on(self.kept())
        blocks = {each.transport.block for each in self.relay._connections}
        self.assertEqual(blocks, {address_block(ipaddress.ip_address("127.0.0.1"))})

    def test_unix(self) -> None:
        """One on a Unix socket, where a proxy connects, goes on like any other."""
        inner: Any = Factory()
        inner.buildProtocol = self.websockets.buildProtocol
        path = new_path(self, "web")
        port = self.reactor.listenUNIX(str(path), self.limiting(inner))
        self.addCleanup(port.stopListening)
        proxied = socket.socket(socket.AF_UNIX)
        self.addCleanup(proxied.close)
        proxied.connect(str(path))
        proxied.settimeout(0.0)
        self.open(proxied, frame(handshake(0)))
        tcp = self.peer(1)
        self.expect(tcp, b"ok\n")
        self.expect(proxied, binary_header(3) + b"ok\n")
        self.hand_over()
        self.go_on(self.kept())
        self.assertEqual(self.relay.live.paired, 2)
        tcp.sendall(b"back")
        self.assertEqual(self.received(proxied, 1), [(BINARY, b"back")])
        proxied.sendall(frame(b"forth"))
        self.expect(tcp, b"forth")

    def test_unsent_first(self) -> None:
        """What it had not been sent comes before what the next relay has to say, and the end after both."""
        websockets = [self.connect(frame(handshake(0, b"%064x" % number))) for number in range(2)]
        self.until(lambda: self.relay.live.waiting == 2)
        for each in self.relay._connections:
            each.transport.transport.write(binary_header(6) + b"unsent")
        self.hand_over()
        packed = self.kept()
        self.limits = attrs.evolve(LIMITS, waiting_per_address=1)
        self.go_on(packed)
        (first,) = self.received(websockets[0], 1)
        said = self.received(websockets[1], 3)
        self.assertEqual([first, said[0]], [(BINARY, b"unsent")] * 2)
        self.assertEqual([opcode for opcode, _ in said], [BINARY, BINARY, CLOSE])

    def test_alone(self) -> None:
        """One in its handshake, one that waits, and one that is closing: the last is not handed over."""
        request = frame(handshake(0, b"1" * 64))
        begun, waiting = self.connect(request[:50]), self.connect(frame(handshake(0)))
        closing = self.connect(frame(b"wrong"))
        self.until(lambda: self.relay.live.closing == 1 and self.relay.live.waiting == 1)
        self.hand_over()
        self.go_on(self.kept())
        self.assertEqual((self.relay.live.handshake, self.relay.live.waiting), (1, 1))
        begun.sendall(request[50:])
        for peer, token in ((begun, b"1" * 64), (waiting, TOKEN)):
            self.expect(self.peer(1, token), b"ok\n")
            self.expect(peer, binary_header(3) + b"ok\n")
        closing.close()

    def test_pinged(self) -> None:
        """It is pinged in the next process, and no more in this one."""
        websocket, _ = self.pair()
        before = self.served()
        self.hand_over()
        self.assertFalse(before._ping_timer.running)
        self.go_on(self.kept())
        self.assertEqual(self.websockets._openings.countConnections, 1)
        self.served()._ping_or_drop()
        self.assertEqual(self.received(websocket, 1), [(PING, b"")])
