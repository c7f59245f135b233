"""
WebSocket clients that cost next to nothing, on one epoll loop.

Many connections, no TLS, no extensions, and only what a well-behaved server sends: unfragmented
text frames, pings and closes. Anything else ends the connection. Frames go out under the mask of
zeros, which every server must accept and which leaves the payload as it is. Knows nothing of
wormholes beyond the keys that it decodes.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

_UPGRADE = (
    b"GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_NO_MASK = b"\0\0\0\0"
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
    return _frame(_TEXT, payload)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, 0x80 | size)) + _NO_MASK + payload
    return bytes((first, 0xFE)) + size.to_bytes(2, "big") + _NO_MASK + payload


_CLOSE_FRAME = _frame(_CLOSE, (1000).to_bytes(2, "big"))


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

    __slots__ = ("_buffer", "_listener", "_loop", "_socket", "_upgraded")

    def __init__(self, loop: Loop, port: int, listener: Listener, source: str | None = None):
        self._loop = loop
        self._listener = listener
        self._buffer = b""
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
        self.send(_UPGRADE)

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
        data = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._buffer = data
                return
            if b" 101 " not in head[:16]:
                self.abandon()
                return
            self._upgraded = True
            self._listener.opened()
            data = rest
        self._buffer = self._frames(data)

    def _frames(self, data: bytes) -> bytes:
        """Take whole frames from the front of `data`; what is left."""
        at, have = 0, len(data)
        while have - at >= 2 and self._socket is not None:
            first, size = data[at], data[at + 1]
            start = at + 2
            if size == 126:
                start += 2
                size = int.from_bytes(data[at + 2 : start], "big")
            elif size == 127:
                start += 8
                size = int.from_bytes(data[at + 2 : start], "big")
            if have < start + size:
                break
            at = start + size
            if first == _TEXT:
                self._listener.received(_decode(data[start:at]))
            elif first == _PING:
                self.send(_frame(_PONG, data[start:at]))
            elif first not in (_CLOSE, _PONG):
                self.abandon()
        return data[at:]
