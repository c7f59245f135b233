"""Frames of a client, generated, and what a server answers: ours and Autobahn alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.task import Clock

from tests.wormhole_websocket.fakes import REQUEST, MemoryTransport
from wormhole_websocket.autobahn import OpeningFactory
from wormhole_websocket.frames import (
    CloseReceived,
    MessageReader,
    MessageReceived,
    Opcode,
    PingReceived,
    PongReceived,
    Violation,
    client_frame,
    frame_header,
    pong_frame,
)
from wormhole_websocket.protocol import WebSocketProtocol, WebSocketState

LIMIT = 70_000
MASK = b"\x37\xfa\x21\x3d"
NEXT = client_frame(Opcode.TEXT, b"next", MASK) + client_frame(Opcode.PING, b"p", MASK)
BEGUN = [
    b"",
    client_frame(Opcode.TEXT, b"a", MASK, final=False),
    client_frame(Opcode.BINARY, b"", MASK, final=False),
]
"""What has arrived before."""

# The length as it stands in the header, and the number of bytes behind it.
_LENGTHS = [
    (b"\x00", 0),
    (b"\x01", 1),
    (b"\x7d", 125),
    (b"\x7e\x00\x7e", 126),
    (b"\x7e\x00\x7d", 125),  # not the shortest form
    (b"\x7f" + bytes(7) + b"\x05", 5),
    (b"\x7f" + (65536).to_bytes(8, "big"), 65536),
    (b"\x7f" + (LIMIT + 1).to_bytes(8, "big"), 0),
    (b"\x7f\x80" + bytes(7), 0),
]
_CODES = [0, 1, 999, *range(1000, 1017), 1099, 1999, 2999, 3000, 3999, 4000, 4999, 5000, 65535]
_REASONS = [b"", "schön".encode(), b"x" * 123, b"\xff", b"\xc3"]


def frames() -> Iterator[bytes]:
    """Every first byte with every length, masked or not; every close code with every reason."""
    for first, masked in itertools.product(range(256), (True, False)):
        for length, size in _LENGTHS if not first & 0x70 else _LENGTHS[:1]:
            payload = b"x" * size
            head = bytes((first, length[0] | (0x80 if masked else 0))) + length[1:]
            if masked:
                yield head + client_frame(Opcode.BINARY, payload, MASK)[-size - 4 :]
            else:
                yield head + payload
    for code, reason in itertools.product(_CODES, _REASONS):
        yield client_frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason, MASK)
    yield client_frame(Opcode.CLOSE, b"", MASK)
    yield client_frame(Opcode.CLOSE, b"\x03", MASK)


class EchoWebSocket(WebSocketProtocol):
    """Sends back every message."""

    def __init__(self, openings: OpeningFactory, clock: Clock) -> None:
        super().__init__(openings, clock, open_seconds=0, close_seconds=0)
        self.reader = MessageReader(LIMIT)

    def bytes_received(self, data: bytes) -> None:
        """Answer."""
        for event in self.reader.read(data):
            if self.state is not WebSocketState.OPEN:
                break
            if isinstance(event, MessageReceived):
                opcode = Opcode.TEXT if event.text else Opcode.BINARY
                self.send_frame(frame_header(0x80 | opcode, len(event.payload)) + event.payload)
            elif isinstance(event, PingReceived):
                self.send_frame(pong_frame(event.payload))
            elif isinstance(event, CloseReceived):
                self.closed_by_peer()
            elif isinstance(event, Violation):
                self.refuse(event)


class _AutobahnEcho(WebSocketServerProtocol):
    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N803 - Autobahn's
        self.sendMessage(payload, isBinary)


class Servers:
    """Both servers."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._openings = OpeningFactory(self._clock, {"webStatus": False})
        self._autobahn = WebSocketServerFactory(reactor=self._clock)
        self._autobahn.protocol = _AutobahnEcho
        self._autobahn.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            failByDrop=False,
            maxMessagePayloadSize=LIMIT,
            webStatus=False,
        )

    def ours(self, *pieces: bytes) -> list[Any]:
        """What our server answers to frames that arrive in these pieces."""
        return _answers(EchoWebSocket(self._openings, self._clock), pieces)

    def autobahn(self, *pieces: bytes) -> list[Any]:
        """What Autobahn alone answers."""
        return _answers(self._autobahn.buildProtocol(None), pieces)


def _answers(protocol: Any, pieces: tuple[bytes, ...]) -> list[Any]:
    transport = MemoryTransport()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    protocol.dataReceived(REQUEST)
    transport.take()
    for piece in pieces:
        protocol.dataReceived(piece)
    answers: list[Any] = []
    for event in MessageReader(LIMIT, masked=False).read(transport.take()):
        if isinstance(event, CloseReceived):
            answers.append(event.code)
        elif isinstance(event, PongReceived):
            answers.append(event.payload)
        else:
            answers.append(event)
    return answers
