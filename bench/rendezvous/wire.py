"""
WebSocket clients that cost next to nothing, on one epoll loop.

Many connections, no TLS, no extensions. A violation by the server ends the connection. Frames go out under
the mask of zeros, which every server must accept and which leaves the payload as it is. Knows nothing of
wormholes beyond the keys that it decodes.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from wormhole_websocket.frames import (
    MessageEvent,
    MessageReader,
    MessageReceived,
    Opcode,
    PingReceived,
    Violation,
    client_frame,
)

UPGRADE = (
    b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
NO_MASK = b"\0\0\0\0"
_LONGEST_MESSAGE = 1 << 30
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the port is chosen at connect, when the peer is known


class ServerMessage(msgspec.Struct, gc=False):
    """What the benchmark looks at in a message of the server."""

    type: str
    side: str = ""
    phase: str = ""
    nameplate: str = ""
    mailbox: str = ""
    error: str = ""


_decode = msgspec.json.Decoder(ServerMessage).decode


class Listener(Protocol):
    """What a connection tells its owner. `dropped` comes once, however it ended."""

    def opened(self) -> None: ...

    def received(self, message: ServerMessage) -> None: ...

    def dropped(self) -> None: ...


def text_frame(payload: bytes) -> bytes:
    """`payload` as one client frame."""
    return client_frame(Opcode.TEXT, payload, NO_MASK)


_CLOSE_FRAME = client_frame(Opcode.CLOSE, (1000).to_bytes(2, "big"), NO_MASK)


class Loop:
    """Runs connections until somebody asks it to stop."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, events: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever one of `events` holds for `fd`."""
        if fd in self._ready:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._ready[fd] = ready

    def forget(self, fd: int) -> None:
        """Never again."""
        self._epoll.unregister(fd)
        del self._ready[fd]

    def run(self, done: Callable[[], bool], patience_seconds: float) -> bool:
        """
        Run until `done`, asked before every wait.

        :return: whether it was done; if not, `patience_seconds` have passed.
        """
        deadline = time.perf_counter() + patience_seconds
        while not done():
            if time.perf_counter() > deadline:
                return False
            for fd, _events in self._epoll.poll(0.05, 1024):
                ready = self._ready.get(fd)
                if ready is not None:  # an earlier one of this turn may have closed it
                    ready()
        return True


class Connection:
    """One WebSocket to the server on 127.0.0.1:`port`, from `source`."""

    __slots__ = ("_head", "_listener", "_loop", "_reader", "_socket", "_upgraded")

    def __init__(self, loop: Loop, port: int, listener: Listener, source: str | None = None):
        self._loop = loop
        self._listener = listener
        self._head = b""
        self._reader = MessageReader(_LONGEST_MESSAGE, masked=False)
        self._upgraded = False
        self._socket: socket.socket | None = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            self._socket.bind((source, 0))
        self._socket.connect_ex(("127.0.0.1", port))
        loop.watch(self._socket.fileno(), select.EPOLLOUT, self._connected)

    def send(self, frames: bytes) -> None:
        """Send one frame or several. What a socket does not take at once ends the connection."""
        if self._socket is None:
            return
        try:
            taken = self._socket.send(frames)
        except OSError:
            taken = -1
        if taken != len(frames):
            self.abandon()

    def close(self) -> None:
        """Say goodbye; the server closes."""
        self.send(_CLOSE_FRAME)

    def abandon(self) -> None:
        """Close without a word."""
        if self._socket is None:
            return
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._listener.dropped()

    def _connected(self) -> None:
        assert self._socket is not None
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.abandon()
            return
        self._loop.watch(self._socket.fileno(), select.EPOLLIN, self._readable)
        self.send(UPGRADE)

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.abandon()
            return
        if not self._upgraded:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:16]:
                self.abandon()
                return
            self._upgraded = True
            self._head = b""
            self._listener.opened()
        self._handle(self._reader.read(data))

    def _handle(self, events: Sequence[MessageEvent]) -> None:
        for event in events:
            if self._socket is None:
                return
            if isinstance(event, MessageReceived):
                self._listener.received(_decode(event.payload))
            elif isinstance(event, PingReceived):
                self.send(client_frame(Opcode.PONG, event.payload, NO_MASK))
            elif isinstance(event, Violation):
                self.abandon()
