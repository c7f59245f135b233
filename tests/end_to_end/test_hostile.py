"""
Whatever a peer sends gets a clear answer, nothing is logged as an error, and memory stays bounded.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.processes import SECONDS, Server, serving
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import STORES, database

_WRONG: list[object] = [5, -1, 1.5, True, None, [], ["x"], {}, {"a": {"b": []}}, 10**30]
_FIELDS = {
    "submit-permissions": ["method"],
    "bind": ["appid", "side"],
    "claim": ["nameplate"],
    "release": ["nameplate"],
    "open": ["mailbox"],
    "add": ["phase", "body"],
    "close": ["mailbox"],
}
_NAMEPLATES = ["7\n", "\n7", "٧", "-1", "+1", "1" * 41, "", " ", "7 ", "0x7", "1.0", "1e3", "７"]
_BYTES: list[str | bytes] = [
    "",
    " ",
    "nonsense",
    "{",
    "[]",
    "5",
    "null",
    '"text"',
    "{}",
    '{"type": 5}',
    '{"type": null}',
    '{"type": ["bind"]}',
    '{"type": {"a": 1}}',
    '{"type": "no such type"}',
    '{"type": "ping", "ping": NaN}',
    '{"type": "ping", "ping": Infinity}',
    '{"type": "open", "mailbox": 1e999}',
    '{"type": "open", "mailbox": ' + "9" * 5000 + "}",
    '{"type": "open", "mailbox": "\\ud800"}',
    '{"type": "open", "mailbox": "a\\u0000b"}',
    '{"type": "open", "mailbox": "' + "m" * 5000 + '"}',
    '{"type": "ping", "ping": ' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"a": ' * 30_000 + "1" + "}" * 30_000,
    b"\xff\xfe\xfd",
    b'{"type": "bind", "appid": "\xff", "side": "x"}',
    b"\x00" * 1000,
    b'{"type": "ping"}',
]


@pytest.fixture(scope="module", params=STORES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all of this, so that what one test leaves behind would show in the next."""
    where = tmp_path_factory.mktemp("hostile")
    # What the kernel holds for a client that does not read is as much as a mailbox may hold.
    limits = ("--mailbox-size-limit=none", "--address-storage-limit=none")
    with database(request.param, where) as url, serving(url, *limits) as running:
        yield running
        assert "Traceback" not in running.output
        assert running.metrics()["wormhole_rendezvous_internal_errors_total"] == 0


def _refused(session: Session) -> str:
    """The next error's text; the connection stays."""
    error = session.next("error")
    assert len(json.dumps(error)) < 32 * 1024
    session.sync()
    return str(error["error"])


@pytest.mark.parametrize("kind", _FIELDS)
def test_wrong_types(server: Server, kind: str) -> None:
    """A wrong type in any field of any command is refused with its name, and the connection stays."""
    for field in _FIELDS[kind]:
        for wrong in _WRONG:
            side = None if kind in {"bind", "submit-permissions"} else "side"
            with Session(server.relay_url, side, f"wrong-{kind}-{field}") as session:
                if kind == "add":
                    session.send("open", mailbox="mailbox")
                keys = dict.fromkeys(_FIELDS[kind], "1") | {field: wrong}
                session.send(kind, **keys)
                assert field in _refused(session)


@pytest.mark.parametrize("nameplate", _NAMEPLATES)
def test_nameplates_that_are_none(server: Server, nameplate: str) -> None:
    """A nameplate is 1 to 40 ASCII digits and nothing else."""
    with Session(server.relay_url, "side") as session:
        session.send("claim", nameplate=nameplate)
        assert "nameplate" in _refused(session)
        assert session.ask("claim", "claimed", nameplate="1" * 40)["mailbox"]


@pytest.mark.parametrize("payload", _BYTES, ids=range(len(_BYTES)))
def test_any_bytes(server: Server, payload: str | bytes) -> None:
    """Anything at all is answered by an error, before and after bind."""
    for side in (None, "side"):
        with Session(server.relay_url, side) as session:
            session.send_raw(payload)
            assert _refused(session)


def test_oversized(server: Server) -> None:
    """A message over the limit ends its connection with 1009 and is counted; 40 MB take no memory."""
    before = server.rss_kib()
    counted = _dropped(server, "oversized")
    for size in (256 * 1024 + 1, 40_000_000):
        with connect(
            server.relay_url, compression=None, max_size=None, proxy=None, legacy=True
        ) as client:
            client.recv(SECONDS)
            assert _close_code(client, "x" * size) == 1009
    assert _dropped(server, "oversized") == counted + 2
    assert server.rss_kib() - before < 20_000


def test_compression_is_offered(server: Server) -> None:
    """A client that offers compression, as browsers and the Go client do, is served without it."""
    with connect(server.relay_url, proxy=None, legacy=True) as client:
        assert client.protocol.extensions == []
        assert '"welcome"' in str(client.recv(SECONDS))


def test_a_body_just_below_the_limit(server: Server) -> None:
    """What fits is stored and comes back whole."""
    body = "ab" * 130_000
    with Session(server.relay_url, "side") as session:
        session.send("open", mailbox="large")
        session.send("add", phase="0", body=body)
        assert session.next("message")["body"] == body


def test_not_reading(server: Server) -> None:
    """A client that does not read what its mailbox sends is dropped, counted, and nobody else is."""
    counted = _dropped_for_unread(server)
    with (
        Session(server.relay_url, "writer", "slow") as writer,
        socket.create_connection(("127.0.0.1", server.web_port)) as deaf,
    ):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _upgrade_by_hand(deaf, server)
        _send_by_hand(deaf, {"type": "bind", "appid": "slow", "side": "deaf"})
        _send_by_hand(deaf, {"type": "open", "mailbox": "slow"})
        writer.send("open", mailbox="slow")
        for number in range(200):
            writer.send("add", phase=str(number), body="ab" * 50_000)
            writer.next("message")
            if _dropped_for_unread(server) > counted:
                break
        assert _dropped_for_unread(server) > counted
        writer.sync()


@pytest.mark.parametrize("cut", [0, 10])
def test_frames_in_the_segment_of_the_request(server: Server, cut: int) -> None:
    """Frames right behind a WebSocket's request are read, and answered before a broken one closes it."""
    frames = _frame(Opcode.TEXT, b'{"type":"ping","ping":1}') + _frame(Opcode.CONT, b"x")
    with socket.create_connection(("127.0.0.1", server.web_port)) as raw:
        data = _upgrade_request(server) + frames
        raw.sendall(data[:cut])
        raw.sendall(data[cut:])
        close = _read_until(raw, (1002).to_bytes(2, "big"))
    assert b" 101 " in close
    assert close.index(b'"welcome"') < close.index(b'"pong"')


def test_handshake_in_the_segment_of_the_request(server: Server) -> None:
    """A relay's handshake right behind a WebSocket's request is read."""
    token = b"please relay " + b"e" * 64 + b" for side "
    with (
        socket.create_connection(("127.0.0.1", server.web_port)) as raw,
        socket.create_connection(("127.0.0.1", server.transit_port)) as buddy,
    ):
        frame = _frame(Opcode.BINARY, token + b"1" * 16 + b"\n")
        raw.sendall(_upgrade_request(server, "/transit") + frame)
        buddy.sendall(token + b"2" * 16 + b"\n")
        _read_until(raw, b"ok\n")
        _read_until(buddy, b"ok\n")


def _read_until(raw: socket.socket, end: bytes) -> bytes:
    raw.settimeout(SECONDS)
    got = b""
    while end not in got:
        data = raw.recv(65536)
        assert data, got
        got += data
    return got


def test_text_on_transit(server: Server) -> None:
    """A text frame on /transit is refused: the connection is closed, not with an error of ours."""
    with connect(server.transit_url, compression=None, proxy=None, legacy=True) as client:
        client.send("please relay " + "a" * 64 + " for " + "b" * 16 + "\n")
        assert client.recv(SECONDS) == b"bad handshake\n"
        assert _close_code(client) == 1003


def test_empty_message_on_transit(server: Server) -> None:
    """An empty message is no handshake, and is answered as such."""
    with connect(server.transit_url, compression=None, proxy=None, legacy=True) as client:
        client.send(b"")
        assert client.recv(SECONDS) == b"bad handshake\n"
        assert _close_code(client) not in {None, 1011}


def test_300_megabytes_in_one_message_on_transit(server: Server) -> None:
    """One message of any size passes, in bounded memory, to a receiver on TCP."""
    size = 300_000_000
    token = "c" * 64
    before = server.rss_kib()
    with (
        connect(
            # No pings of its own in the middle of the frame, however slow the machine is.
            server.transit_url,
            compression=None,
            proxy=None,
            legacy=True,
            ping_interval=None,
        ) as sender,
        socket.create_connection(("127.0.0.1", server.transit_port)) as receiver,
    ):
        sender.send(f"please relay {token} for {'1' * 16}\n".encode())
        receiver.sendall(f"please relay {token} for {'2' * 16}\n".encode())
        assert sender.recv(SECONDS) == b"ok\n"
        assert receiver.recv(3, socket.MSG_WAITALL) == b"ok\n"
        raw = sender.socket
        # One frame of 300 MB, its mask zero; the payload is never held in one piece.
        raw.sendall(bytes([0x82, 0xFF]) + size.to_bytes(8, "big") + bytes(4))
        receiver.settimeout(SECONDS)
        raw.settimeout(SECONDS)
        got = Counter[str]()
        reading = threading.Thread(target=_drain, args=(receiver, size, got))
        reading.start()
        piece = bytes(range(256)) * 4096
        worst = sent = 0
        while sent < size:
            sent += raw.send(piece[: min(len(piece), size - sent)])
            worst = max(worst, server.rss_kib())
        reading.join(SECONDS)
    assert got == {"bytes": size}
    assert worst - before < 30_000


def _drain(receiver: socket.socket, size: int, got: Counter[str]) -> None:
    """Read so many bytes, or as many as come."""
    with suppress(OSError):
        while got["bytes"] < size and (data := receiver.recv(1 << 20)):
            got["bytes"] += len(data)


def _close_code(client: ClientConnection, message: str | None = None) -> int | None:
    """The code with which the server closes, after `message`; None where it just goes."""
    try:
        if message is not None:
            client.send(message)
        more = client.recv(SECONDS)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else None
    raise AssertionError(f"the connection stays, and says {more!r}")


def _dropped_for_unread(server: Server) -> float:
    """Whichever comes first: the next message for the client, or the next check of what all hold."""
    met = server.metrics().get('wormhole_process_bounds_met_total{bound="unsent"}', 0.0)
    return _dropped(server, "not_reading") + met


def _dropped(server: Server, reason: str) -> float:
    return server.metrics()[f'wormhole_rendezvous_dropped_clients_total{{reason="{reason}"}}']


def _upgrade_request(server: Server, path: str = "/v1") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.web_port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def _upgrade_by_hand(raw: socket.socket, server: Server) -> None:
    raw.sendall(_upgrade_request(server))
    assert b" 101 " in raw.recv(4096)


def _frame(opcode: Opcode, payload: bytes) -> bytes:
    """A client's frame, under a mask of zeros."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def _send_by_hand(raw: socket.socket, message: dict[str, str]) -> None:
    raw.sendall(_frame(Opcode.TEXT, json.dumps(message).encode()))
