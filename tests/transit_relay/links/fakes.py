"""Fakes for the tests of links: sockets in memory, their descriptors, and the buddies above them."""

import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.interfaces import IPullProducer

from tests.transit_relay.fakes import FakeRelayTransport
from transit_relay.descriptor import Descriptor
from transit_relay.transport import RelayTransport


class FakeSocket:
    """
    A socket in memory.

    :ivar inbox: what arrives, one entry for each read: bytes, or what the read raises; b"" is the end.
    :ivar outbox: what was sent.
    :ivar takes: bytes that it takes at once.
    :ivar error: what sending raises.
    """

    def __init__(self) -> None:
        self.inbox: list[bytes | OSError] = []
        self.outbox = b""
        self.takes = 1 << 30
        self.error: OSError | None = None

    def recv_into(self, room: memoryview, most: int = 0) -> int:
        if not self.inbox:
            raise BlockingIOError
        got = self.inbox.pop(0)
        if isinstance(got, OSError):
            raise got
        most = most or len(room)
        if len(got) > most:
            self.inbox.insert(0, got[most:])
        taken = got[:most]
        room[: len(taken)] = taken
        return len(taken)

    def recv(self, most: int, flags: int) -> bytes:
        if flags != socket.MSG_PEEK:
            raise AssertionError(flags)
        room = memoryview(bytearray(most))
        inbox = list(self.inbox)
        taken = self.recv_into(room)
        self.inbox = inbox
        return bytes(room[:taken])

    def sendmsg(self, pieces: Sequence[memoryview]) -> int:
        if self.error is not None:
            raise self.error
        if not self.takes:
            raise BlockingIOError
        sent = b"".join(pieces)[: self.takes]
        self.outbox += sent
        return len(sent)


class FakeDescriptor:
    """
    The descriptor of a socket in memory; records what a direction does with it.

    :ivar rooms: what `room` returns, one after the other; from then on as much as is asked for.
    """

    def __init__(self) -> None:
        self.socket = FakeSocket()
        self.fileno = -1
        self.clear = False
        self.rooms: list[int] = []
        self.limits: list[int] = []
        self.written = b""
        self.reader: Callable[[], Exception | None] | None = None
        self.producer: IPullProducer | None = None
        self.waits = 0

    @property
    def real(self) -> Descriptor:
        """This, as what it stands for."""
        real: Any = self
        return cast("Descriptor", real)

    def write(self, data: bytes) -> None:
        self.clear = False
        self.written += data

    def read_with(self, read: Callable[[], Exception | None]) -> None:
        self.reader = read

    def give_back(self, read: Callable[[], Exception | None]) -> None:
        if self.reader == read:
            self.reader = None

    def attach(self, producer: IPullProducer) -> None:
        self.producer = producer
        producer.resumeProducing()  # as Twisted does

    def detach(self) -> None:
        self.producer = None

    def await_room(self) -> None:
        self.waits += 1

    def limit(self, most: int) -> None:
        self.limits.append(most)

    def room(self, most: int) -> int:
        return min(most, self.rooms.pop(0) if self.rooms else most)


class FakeFraming:
    """
    Frames whose header is their length in brackets; those of the peer end with a semicolon.

    :ivar control: the peer's frames that begin with an exclamation mark: control frames.
    :ivar handled: how often it was asked to handle them.
    """

    def __init__(self) -> None:
        self.control: list[bytes] = []
        self.handled = 0
        self.units = 0

    def header(self, length: int, /) -> bytes:
        return b"[%d]" % length

    def read_frames(self, memory: memoryview, start: int, end: int, /) -> list[memoryview]:
        pieces = []
        frames = bytes(memory[start:end]).split(b";")
        self.units = len(frames) + (end - start) // 4096
        for frame in frames:
            if frame.startswith(b"!"):
                self.control.append(frame)
            elif frame:
                pieces.append(memory[start : start + len(frame)])
            start += len(frame) + 1
        return pieces

    def length_before_payload(self, data: bytes, /) -> int:
        length = 0
        for frame in data.split(b";"):
            if not frame.startswith(b"!"):
                break
            length += len(frame) + 1
        return length

    def handle_control_frames(self) -> None:
        self.handled += 1


class FakeBuddy:
    """A connection as its link sees it."""

    def __init__(self) -> None:
        self.fake = FakeRelayTransport()
        self.transport: RelayTransport = self.fake
        self.receive: Callable[[bytes], None] = self.unexpected
        self.finished = False
        self.exceptions = 0

    def unexpected(self, data: bytes) -> None:
        raise AssertionError(data)

    def handle_exception(self) -> None:
        self.exceptions += 1

    def finish(self) -> None:
        self.finished = True
