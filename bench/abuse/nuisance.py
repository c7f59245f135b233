"""A nuisance: what a client does on a connection, step after step, and what connection it is."""

import enum
import itertools
from collections.abc import Callable, Iterator

import attrs

from bench.rendezvous.wire import UPGRADE, text_frame

CHUNK = 1 << 18
"""Bytes that are sent at once, where a nuisance sends as much as it can."""


class Action(enum.Enum):
    """What a client does but send."""

    WAIT = enum.auto()  # until the server sends something
    PAUSE = enum.auto()  # for 50 ms
    STOP_READING = enum.auto()  # for good
    HALF_CLOSE = enum.auto()  # says that it sends nothing more
    STAY = enum.auto()  # for good, until the server closes


Steps = Iterator[bytes | Action]
"""What is done on one connection: bytes are sent. At its end the client closes, and connects again."""
MakeSteps = Callable[[int], Steps]
"""Makes the steps of a connection of this number; numbers 2n and 2n + 1 may be a pair."""


@attrs.frozen
class Nuisance:
    """
    One way to be a nuisance.

    :ivar title: what it does, for the table.
    :ivar path: of the WebSocket that is opened first; None: none is.
    :ivar on_relay_port: whether it connects to the relay over TCP.
    :ivar churns: whether it connects again at once when its connection ends.
    :ivar prepare_seconds: until it is at work.
    """

    title: str
    steps: MakeSteps
    path: bytes | None = b"/v1"
    on_relay_port: bool = False
    churns: bool = False
    prepare_seconds: float = 1.0

    @property
    def needs_relay(self) -> bool:
        """Whether it can only be done to a relay."""
        return self.on_relay_port or self.path == b"/transit"


def repeated(data: bytes, *first: bytes | Action) -> MakeSteps:
    """Take the `first` steps, then send the same again and again."""
    chunk = data * max(1, CHUNK // len(data))
    return lambda _: itertools.chain(first, itertools.repeat(chunk))


def once(*steps: bytes | Action) -> MakeSteps:
    """Take these steps on each connection."""
    return lambda _: iter(steps)


def in_pieces(data: bytes, between: Action | None = None) -> Steps:
    """Send bytes one by one."""
    for byte in data:
        yield bytes([byte])
        if between is not None:
            yield between


def commands(*texts: str) -> bytes:
    """Frames of commands."""
    return b"".join(text_frame(text.encode()) for text in texts)


def upgrade(path: bytes, *headers: bytes) -> bytes:
    """An opening handshake with these headers as well."""
    head = UPGRADE.replace(b"/v1", path, 1).removesuffix(b"\r\n")
    return head + b"".join(header + b"\r\n" for header in headers) + b"\r\n"
