"""
Clients of a relay, over TCP and over WebSocket: sockets that have been paired and are ready for use.

Owns the opening of connections. What goes through them is the load's business.
"""

import contextlib
import enum
import socket
import time
from collections.abc import Iterator

import attrs

from wormhole_websocket.frames import Opcode, client_frame

_UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%b\r\n"
)
_CREDIT = b"Sec-WebSocket-Protocol: wormhole-transit-credit.v1\r\n"
_OPEN_SECONDS = 10.0
_HELLO = b"hello"
_MASK = bytes.fromhex("37fa213d")


class End(enum.Enum):
    """What a client speaks."""

    TCP = "tcp"
    WEBSOCKET = "ws"
    CREDITED = "ws with credit"  # as the page has it: it grants what it is sent


@attrs.frozen
class Doors:
    """
    Where clients find a relay on 127.0.0.1.

    :ivar path: of the relay over WebSocket.
    :ivar listens: where a plain proxy expects the receivers; 0 for a relay, which pairs.
    """

    tcp: int
    websocket: int = 0
    path: bytes = b"/"
    listens: int = 0


def frame(data: bytes) -> bytes:
    """A client's binary message in one frame."""
    return client_frame(Opcode.BINARY, data, _MASK)


def grant(byte_count: int) -> bytes:
    """A client's message that grants so many bytes."""
    return client_frame(Opcode.TEXT, b"%d" % byte_count, _MASK)


def connect(doors: Doors, end: End) -> socket.socket:
    """A client that has said nothing yet. (A relay may open one of its doors before the other.)"""
    port = doors.tcp if end is End.TCP else doors.websocket
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=30)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if end is not End.TCP:
        client.sendall(_UPGRADE % (doors.path, port, _CREDIT if end is End.CREDITED else b""))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(head)
    return client


def shake(client: socket.socket, end: End, number: int, side: int) -> None:
    """Ask for the pair with this number."""
    line = b"please relay %064x for side %016x\n" % (number, side)
    client.sendall(line if end is End.TCP else frame(line))


def await_ok(client: socket.socket, end: End) -> None:
    """Block until the relay has said that there is a buddy."""
    wanted = b"ok\n" if end is End.TCP else b"\x82\x03ok\n"
    got = b""
    while len(got) < len(wanted):
        piece = client.recv(len(wanted) - len(got))
        if not piece:
            break
        got += piece
    if got != wanted:
        raise ConnectionError(got)


def paired(
    doors: Doors, one: End, other: End, numbers: Iterator[int]
) -> tuple[socket.socket, socket.socket]:
    """Two clients that have met."""
    number = next(numbers)
    clients = connect(doors, one), connect(doors, other)
    for side, (client, end) in enumerate(zip(clients, (one, other), strict=True)):
        shake(client, end, number, side)
    for client, end in zip(clients, (one, other), strict=True):
        await_ok(client, end)
    return clients


def proxied(doors: Doors) -> tuple[socket.socket, socket.socket]:
    """A sender, and the receiver that a plain proxy has connected it to."""
    with socket.create_server(("127.0.0.1", doors.listens)) as door:
        door.settimeout(30)
        sender = connect(doors, End.TCP)
        sender.sendall(_HELLO)
        while True:
            receiver = door.accept()[0]
            # The first may be for somebody who only looked whether the proxy was there.
            with contextlib.suppress(ConnectionResetError):
                if receiver.recv(len(_HELLO), socket.MSG_WAITALL) == _HELLO:
                    return sender, receiver
            receiver.close()
