"""What is right by RFC 6455 and RFC 9112 is answered on real sockets, and so is what is wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.end_to_end.processes import SECONDS, Server, serving
from wormhole_websocket.frames import (
    CloseReceived,
    MessageEvent,
    MessageReader,
    MessageReceived,
    Opcode,
    PongReceived,
    client_frame,
)

MASK = b"mask"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of this."""
    file = tmp_path_factory.mktemp("edges") / "w.db"
    with serving(f"sqlite:///{file}") as running:
        yield running


def _opening(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _exchange(port: int, data: bytes) -> bytes:
    """Send `data` in one piece; return everything up to the server's end."""
    with socket.create_connection(("localhost", port), SECONDS) as client:
        client.sendall(data)
        received = b""
        while piece := client.recv(65536):
            received += piece
    return received


def _frames(answer: bytes) -> list[MessageEvent]:
    """What a server has sent behind its answer to the opening handshake."""
    head, end, frames = answer.partition(b"\r\n\r\n")
    assert end
    assert head.startswith(b"HTTP/1.1 101 "), head
    return MessageReader(1 << 20, masked=False).read(frames)


def _types(events: list[MessageEvent]) -> list[str]:
    return [json.loads(e.payload)["type"] for e in events if isinstance(e, MessageReceived)]


def _command(**keys: str) -> bytes:
    return client_frame(Opcode.TEXT, json.dumps(keys).encode(), MASK)


BIND = _command(type="bind", appid="edges", side="a")
CLOSE = client_frame(Opcode.CLOSE, b"", MASK)
BROKEN = b"\xf1\x80" + MASK
OVERSIZED = b"\x82\xff" + (1 << 30).to_bytes(8, "big") + MASK


@pytest.mark.parametrize("size", [20_000, 3_000_000])
def test_long_request_line(server: Server, size: int) -> None:
    """A request line, or a header, that is too long is answered, however much the client still sends."""
    line = b"GET /" + b"x" * size + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert _exchange(server.web_port, line).startswith(b"HTTP/1.1 414 ")
    header = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * size + b"\r\n\r\n"
    assert _exchange(server.web_port, header).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("query", ["", "?through=the-web-site"])
def test_frames_behind_the_opening(server: Server, query: str) -> None:
    """Frames in one segment with the request are read, on /v1 and on /transit."""
    list_ = _command(type="list")
    answer = _exchange(server.web_port, _opening(f"/v1{query}") + BIND + list_ + CLOSE)
    assert "welcome" in _types(_frames(answer))
    handshake = client_frame(Opcode.BINARY, b"this is no handshake\n", MASK)
    events = _frames(_exchange(server.web_port, _opening(f"/transit{query}") + handshake + CLOSE))
    assert events[0] == MessageReceived(b"bad handshake\n", text=False)


@pytest.mark.parametrize(("last", "code"), [(BROKEN, 1002), (OVERSIZED, 1009)])
def test_answers_before_a_close(server: Server, last: bytes, code: int) -> None:
    """What was answered before a broken or an oversized frame arrives before the close frame."""
    ping = _command(type="ping", ping="x")
    answer = _exchange(server.web_port, _opening("/v1") + BIND + 3 * ping + last + CLOSE)
    events = _frames(answer)
    assert _types(events) == ["welcome", "ack", *(3 * ["ack", "pong"])]
    assert isinstance(events[-1], CloseReceived)
    assert events[-1].code == code


@pytest.mark.parametrize("path", ["/v1", "/transit"])
def test_burst_of_pings(server: Server, path: str) -> None:
    """The newest ping of a burst is answered (RFC 6455, section 5.5.3)."""
    pings = b"".join(client_frame(Opcode.PING, b"%d" % number, MASK) for number in range(1000))
    events = _frames(_exchange(server.web_port, _opening(path) + pings + CLOSE))
    pongs = [event.payload for event in events if isinstance(event, PongReceived)]
    assert pongs[-1] == b"999"
