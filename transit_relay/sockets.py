"""
What the relay wants of the TCP sockets beneath its transports.

Owns the socket options, and the question whether the peer's kernel is still there. Does nothing,
and knows nothing, for transports that are no TCP sockets.
"""

import contextlib
import socket
import struct
from typing import Final

from twisted.internet.interfaces import ISystemHandle, ITransport
from twisted.protocols.policies import ProtocolWrapper

from transit_relay.limits import Limits

_PROBES: Final = (
    # Linux, FreeBSD and macOS have all three, the last under a name of its own for the first.
    ("TCP_KEEPIDLE", "keepalive_idle_seconds"),
    ("TCP_KEEPALIVE", "keepalive_idle_seconds"),
    ("TCP_KEEPINTVL", "keepalive_interval_seconds"),
    ("TCP_KEEPCNT", "keepalive_count"),
)

_CLOSED: Final = frozenset({7, 8})
"""`tcpi_state`, the first field: reset (TCP_CLOSE), or told that nothing will come (CLOSE_WAIT)."""

_TCP_INFO: Final = struct.Struct("=8B24I")
"""The head of Linux's `struct tcp_info`, which only ever grows at its end."""

_LAST_DATA_RECEIVED: Final = 8 + 11  # tcpi_last_data_recv, milliseconds ago
_LAST_ACK_RECEIVED: Final = 8 + 12  # tcpi_last_ack_recv, milliseconds ago


def tune(transport: ITransport, limits: Limits) -> None:
    """
    Send small pieces at once, and have the kernel look for dead peers.

    With Nagle's algorithm a handshake would wait 40 ms for the peer's delayed acknowledgement.
    """
    handle = _socket(transport)
    if handle is None:
        return
    with contextlib.suppress(OSError):  # the peer may have gone already: the next read will tell
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, limit in _PROBES:
            if (option := getattr(socket, name, None)) is not None:
                handle.setsockopt(socket.IPPROTO_TCP, option, getattr(limits, limit))


def silence(transport: ITransport) -> float | None:
    """
    Seconds since the peer's kernel last sent anything, be it an acknowledgement.

    None where the system does not tell: for what is no TCP socket, and elsewhere than on Linux.
    """
    fields = _tcp_info(transport)
    if fields is None:
        return None
    return min(fields[_LAST_DATA_RECEIVED], fields[_LAST_ACK_RECEIVED]) / 1000


def has_ended(transport: ITransport) -> bool:
    """
    Whether the peer will send no more than has come already, be it that nobody has read that yet.

    False where the system does not tell.
    """
    fields = _tcp_info(transport)
    return fields is not None and fields[0] in _CLOSED


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
