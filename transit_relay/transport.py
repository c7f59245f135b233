"""
The transport of one peer: the interface between the relay and its adapters, and the TCP socket below.

Owns what the relay, which knows no sockets, may ask of `tcp` and `websocket`, which know no rules; the socket
options; and the question whether the peer's kernel is still there. An adapter passes itself to
`Relay.add_connection`, and reports what happens to it to the connection that it gets back.
"""

import contextlib
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    ISystemHandle,
    ITCPTransport,
    ITransport,
)
from twisted.protocols.policies import ProtocolWrapper

from transit_relay.credit import Credit
from transit_relay.descriptor import Descriptor
from transit_relay.observer import ConnectionKind
from transit_relay.session import Cause, HandedWebSocket, RelayLimits
from wormhole_twisted.internals import has_unsent, is_bare_tcp

_PROBES: Final = (
    # Linux, FreeBSD and macOS have all three; macOS has its own name for the first.
    ("TCP_KEEPIDLE", "keepalive_idle_seconds"),
    ("TCP_KEEPALIVE", "keepalive_idle_seconds"),
    ("TCP_KEEPINTVL", "keepalive_interval_seconds"),
    ("TCP_KEEPCNT", "keepalive_count"),
)

_CLOSED: Final = frozenset({7, 8})
"""Values of `tcpi_state`, the first field: TCP_CLOSE (reset) and TCP_CLOSE_WAIT (the peer sent a FIN)."""

_TCP_INFO: Final = struct.Struct("=8B24I")
"""The head of Linux's `struct tcp_info`, which only grows at its end."""

_INT: Final = struct.Struct("=i")

_LAST_DATA_RECEIVED: Final = 8 + 11  # tcpi_last_data_recv, milliseconds ago
_LAST_ACK_RECEIVED: Final = 8 + 12  # tcpi_last_ack_recv, milliseconds ago


class IStreamTransport(ITCPTransport, IConsumer, IPushProducer):
    """What the adapters need of a Twisted transport; those for TCP and TLS provide it."""


class WebSocketFraming(Protocol):
    """The frames between a WebSocket peer's bytes and its socket."""

    def header(self, length: int, /) -> bytes:
        """The header of a frame of `length` bytes to the peer."""

    def read_frames(self, memory: memoryview, start: int, end: int, /) -> list[memoryview]:
        """
        Read frames that a link has received from the socket.

        :param memory: `MARGIN` bytes before `start` are written to as well.
        :return: the pieces of payload between `start` and `end`, unmasked where they are.
        """

    @property
    def units(self) -> int:
        """How much work the latest `read_frames` was: 1 for each frame, and 1 more for each 4 KiB."""

    def length_before_payload(self, data: bytes, /) -> int:
        """How many of the bytes that `read_frames` reads next come before any payload."""

    def handle_control_frames(self) -> None:
        """Handle what `read_frames` has read besides payload; that may close the connection."""


class RelayTransport(Protocol):
    """A transport that carries one peer's bytes, both ways."""

    @property
    def kind(self) -> ConnectionKind:
        """What kind of connection it is."""

    @property
    def block(self) -> int:
        """Groups the peer with others of its address, see `block_of`; 0 where there is none."""

    @property
    def framing(self) -> WebSocketFraming | None:
        """The frames around the peer's bytes; None where the socket carries the bytes as they are."""

    @property
    def credit(self) -> Credit | None:
        """
        How many bytes of its buddy the peer takes now; None: any number.

        A link sends no more. Its `send` is for bytes that are read already.
        """

    @property
    def can_be_handed_over(self) -> bool:
        """Whether another process can go on with its socket: nothing but frames is in between."""

    @property
    def transport(self) -> ITransport:
        """What Twisted knows the peer by."""

    paused: bool
    """Whether it was told to stop reading."""

    congested: bool
    """
    Whether its peer does not take what it is sent, so that its buddy is not read. The link sets it, as it is
    the link that stops reading.
    """

    @property
    def write(self) -> Callable[[bytes], None]:
        """Sends bytes to the peer; never blocks, and takes any number of bytes."""

    def descriptor(self) -> Descriptor | None:
        """
        The socket below, for a link that bypasses the transport.

        :return: None where something other than `framing`, such as TLS, is in between.
        """

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Read again."""

    def attach(self, producer: IPushProducer) -> None:
        """Pause `producer` whenever too much waits to be sent; resume it when all of that is sent."""

    def detach(self) -> None:
        """Forget the producer."""

    def release(self) -> HandedWebSocket | None:
        """
        Do nothing any more: the socket goes on elsewhere.

        :return: the frames between the peer's bytes and the socket; None: there are none.
        """

    def finish(self, cause: Cause, /) -> None:
        """Send what is left, then tell the peer that this was all. Goes on reading."""

    def abort(self) -> None:
        """Close at once. What the kernel does not hold yet is dropped."""

    def silent_seconds(self) -> float | None:
        """How long ago the peer's kernel last sent anything; None where the system does not say."""

    def has_ended(self) -> bool:
        """Whether the peer has closed its direction, even if that has not been read yet."""

    def has_delivered(self) -> bool:
        """Whether the peer's kernel has everything that was written; False where the system does not say."""


def configure_socket(transport: ITransport, limits: RelayLimits) -> None:
    """
    Make the kernel send small pieces at once, and probe for dead peers.

    With Nagle's algorithm a handshake would wait 40 ms for the peer's delayed acknowledgement. Does nothing
    for a transport without a TCP socket.
    """
    handle = _socket(transport)
    if handle is None:
        return
    with contextlib.suppress(OSError):  # the peer may be gone already; the next read finds out
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, limit in _PROBES:
            if (option := getattr(socket, name, None)) is not None:
                handle.setsockopt(socket.IPPROTO_TCP, option, getattr(limits, limit))


def can_move(transport: ITransport) -> bool:
    """Whether another process can go on with a transport's socket: on Linux, and with no TLS in between."""
    return sys.platform == "linux" and is_bare_tcp(transport)


def silent_seconds(transport: ITransport) -> float | None:
    """
    How long ago the peer's kernel last sent anything, be it an acknowledgement.

    :return: None for a transport without a TCP socket, and on other systems than Linux.
    """
    fields = _tcp_info(transport)
    if fields is None:
        return None
    return min(fields[_LAST_DATA_RECEIVED], fields[_LAST_ACK_RECEIVED]) / 1000


def has_ended(transport: ITransport) -> bool:
    """
    Whether the peer sends no more than has arrived already, even if that has not been read yet.

    :return: False where the system does not say.
    """
    fields = _tcp_info(transport)
    return fields is not None and fields[0] in _CLOSED


def has_delivered(transport: ITransport) -> bool:
    """
    Whether the peer's kernel has acknowledged everything that was written, the end included.

    :return: False where the system does not say.
    """
    handle = _socket(transport)
    if handle is None or not hasattr(termios, "TIOCOUTQ") or has_unsent(transport):
        return False
    try:
        unacknowledged = fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
    except OSError:
        return False
    return bool(_INT.unpack(unacknowledged)[0] == 0)


def _tcp_info(transport: ITransport) -> tuple[int, ...] | None:
    handle = _socket(transport)
    if handle is None or not hasattr(socket, "TCP_INFO"):
        return None
    info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    return _TCP_INFO.unpack(info)


def _socket(transport: ITransport | None) -> socket.socket | None:
    while isinstance(transport, ProtocolWrapper):  # TLS
        transport = transport.transport
    if not ISystemHandle.providedBy(transport):
        return None
    handle = transport.getHandle()
    if isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6):
        return handle
    return None
