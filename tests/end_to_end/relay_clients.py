"""Clients on blocking sockets, for tests that run in a thread."""

import base64
import os
import random
import selectors
import socket
import struct
import time

from tests.transit_relay.frames import CLOSE, CONTINUATION, PING, PONG, TEXT, frame, parse


class TcpPeer:
    """A client on TCP."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.inbox = b""
        self.ended = False

    def encode(self, data: bytes) -> bytes:
        """`data` as it is sent."""
        return data

    def take(self, wire: bytes) -> bytes:
        """The bytes in what was received."""
        return wire

    def shake(self, data: bytes) -> None:
        """Send `data` for a handshake."""
        self.socket.sendall(data)

    def send(self, data: bytes) -> None:
        self.socket.sendall(self.encode(data))

    def receive(self, length: int) -> bytes:
        """Block until so many bytes are there, or the relay has closed."""
        while len(self.inbox) < length and not self.ended:
            self.read()
        taken, self.inbox = self.inbox[:length], self.inbox[length:]
        return taken

    def receive_all(self) -> bytes:
        """Block until the relay has closed."""
        pieces = [self.inbox]
        while not self.ended:
            self.inbox = b""
            self.read()
            pieces.append(self.inbox)
        self.inbox = b""
        return b"".join(pieces)

    def read(self) -> None:
        wire = self.socket.recv(65536)
        self.ended = not wire
        self.inbox += self.take(wire)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class WebSocketPeer(TcpPeer):
    """A client on WebSocket, with frames of random lengths."""

    headers = b""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._wire = b""
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(
            b"GET /transit HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n" + self.headers + b"\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        if not head.startswith(b"HTTP/1.1 101 "):
            raise AssertionError(head)

    def shake(self, data: bytes) -> None:
        self.socket.sendall(frame(data))

    def encode(self, data: bytes) -> bytes:
        frames = []
        while data:
            length = random.choice((1, 100, 5000, 100_000))
            frames.append(frame(data[:length]))
            data = data[length:]
        return b"".join(frames)

    def take(self, wire: bytes) -> bytes:
        found, self._wire = parse(self._wire + wire)
        self.opcodes = [opcode for opcode, _ in found]
        if CLOSE in self.opcodes:
            self.ended = True
        return b"".join(payload for opcode, payload in found if opcode != CLOSE)


class CreditedPeer(WebSocketPeer):
    """A client on WebSocket that grants what it takes."""

    headers = b"Sec-WebSocket-Protocol: wormhole-transit-credit.v1\r\n"

    def grant(self, byte_count: int) -> None:
        """Grant, in two fragments and in two segments."""
        text = b"%d" % byte_count
        wire = frame(text[:1], TEXT, final=False) + frame(text[1:], CONTINUATION)
        self.socket.sendall(wire[:9])
        self.socket.sendall(wire[9:])

    def sync(self) -> None:
        """Block until the relay has answered a few pings: it has had that many turns to send more."""
        for _ in range(5):
            self.socket.sendall(frame(b"", PING))
            self.read()
            while PONG not in self.opcodes:
                self.read()


def exchange(one: TcpPeer, messages: bytes, other: TcpPeer, answers: bytes) -> tuple[bytes, bytes]:
    """Send both ways at once, in pieces and with pauses; returns what each has received."""
    selector = selectors.DefaultSelector()
    outgoing = {one: one.encode(messages), other: other.encode(answers)}
    expected = {one: len(answers), other: len(messages)}
    for peer in outgoing:
        peer.socket.setblocking(False)
        selector.register(peer.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)
    deadline = time.monotonic() + 30
    while any(len(peer.inbox) < expected[peer] for peer in expected):
        if time.monotonic() > deadline:
            raise TimeoutError(len(one.inbox), len(other.inbox))
        for key, events in selector.select(1):
            peer = key.data
            if events & selectors.EVENT_READ and random.random() < 0.8:
                peer.read()
                if peer.ended:
                    raise ConnectionError("closed too early")
            if events & selectors.EVENT_WRITE and outgoing[peer]:
                sent = peer.socket.send(outgoing[peer][: random.randrange(1, 200_000)])
                outgoing[peer] = outgoing[peer][sent:]
    selector.close()
    for peer in outgoing:
        peer.socket.settimeout(20)
    return one.inbox, other.inbox


def send_until_stopped(peer: TcpPeer, piece: bytes, most: int) -> int:
    """Send `piece` again and again until the relay takes no more; returns how many bytes it took."""
    wire = memoryview(peer.encode(piece))
    offset = total = 0
    peer.socket.settimeout(0.5)
    try:
        while total < most:
            sent = peer.socket.send(wire[offset:])
            total += sent
            offset = (offset + sent) % len(wire)
    except TimeoutError:
        return total
    finally:
        peer.socket.settimeout(20)
    raise AssertionError("never stopped", total)
