"""
The socket below a transport, for a link that moves bytes past the transport.

Owns what such a link asks of the socket and of the transport. The transport stays what the reactor knows;
its end, resets, aborts and orderly closing go through it, as do bytes that are written to it.
"""

import contextlib
import fcntl
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, cast

from twisted.internet.interfaces import IPullProducer, ISystemHandle, ITransport

from wormhole_twisted.internals import is_bare_tcp, read_with, stop_reading_with

_SO_MEMINFO: Final = 55
"""Of Linux since 4.12 (asm-generic/socket.h). Python does not name it."""

_MEMINFO: Final = struct.Struct("=9I")
_SNDBUF: Final = 3  # SK_MEMINFO_SNDBUF
_WMEM_QUEUED: Final = 5  # SK_MEMINFO_WMEM_QUEUED

_SIOCOUTQNSD: Final = 0x894B
"""Of Linux (linux/sockios.h): bytes that a TCP socket holds and has never sent."""

_INT: Final = struct.Struct("=i")
_NOTHING: Final = bytes(_INT.size)


class Descriptor:
    """
    A connected TCP socket and its transport.

    :ivar clear: whether the transport holds nothing that was written to it, so that bytes may be sent to
        the socket directly without overtaking others. False after a write to the transport; the attached
        producer sets it when it is resumed.
    """

    __slots__ = ("_transport", "clear", "fileno", "socket")

    def __init__(self, transport: Any, handle: socket.socket) -> None:
        self.socket = handle
        self.fileno: int = handle.fileno()
        self.clear = False
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send `data` through the transport; never blocks, and takes any number of bytes."""
        self.clear = False
        self._transport.write(data)

    def read_with(self, read: Callable[[], Exception | None]) -> None:
        """
        Call `read` when there is something to read, instead of letting the transport read.

        :param read: returns None, or a reason of `twisted.internet.main` why the connection is lost.
        """
        read_with(self._transport, read)

    def give_back(self, read: Callable[[], Exception | None]) -> None:
        """Let the transport read by itself again, unless it is no longer `read` that does."""
        stop_reading_with(self._transport, read)

    def attach(self, producer: IPullProducer) -> None:
        """
        Resume `producer` when everything written to the transport is sent and the socket takes more.

        That happens once after each `await_room`, and after this. (Twisted resumes it once before this
        returns, too.)
        """
        self._transport.registerProducer(producer, False)
        self.await_room()

    def await_room(self) -> None:
        """Resume the producer once more."""
        self._transport.startWriting()

    def detach(self) -> None:
        """Forget the producer."""
        self._transport.unregisterProducer()

    def limit(self, most: int) -> None:
        """
        Have the kernel hold at most `most` bytes beyond what the peer's window lets it send.

        Otherwise it holds some MiB for a peer that does not read, of the memory that it has for all sockets.
        """
        with contextlib.suppress(OSError):  # the peer may be gone already
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, most)

    def room(self, most: int) -> int:
        """
        Ask how many bytes the socket takes now.

        :param most: its limit.
        :return: at most `most`; 0 where it is better to wait, which is where the kernel does not call the
            socket writable. Sending no more than this leaves nothing behind, unless the machine is short
            of memory.
        """
        try:
            unsent: int = _INT.unpack(fcntl.ioctl(self.fileno, _SIOCOUTQNSD, _NOTHING))[0]
            info = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            fields: tuple[int, ...] = _MEMINFO.unpack(info)
        except (
            OSError,
            struct.error,
        ):  # older kernels; what they leave behind goes to the transport
            return most
        size = fields[_SNDBUF]
        room = size - fields[_WMEM_QUEUED]
        if 2 * unsent >= most or 3 * room < size:
            return 0
        return min(most - unsent, room - (room >> 3))  # a part goes to the kernel's own records


def descriptor_of(transport: ITransport) -> Descriptor | None:
    """Return the socket below `transport`; None where something, such as TLS, is in between."""
    if sys.platform != "linux" or not is_bare_tcp(transport):
        return None
    handle = cast(socket.socket, cast(ISystemHandle, transport).getHandle())
    if handle.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    return Descriptor(transport, handle)
