"""
The socket beneath a transport, on loan to a link that moves bytes past the transport.

Owns what is done to Twisted's transport for that. The transport stays what the reactor knows, and
what has to do with its life (its end, resets, aborts, closing in good order) goes on through it, as
do bytes that are written to it. Only what it does when there is something to read is replaced, in
the way in which Twisted itself does it when it aborts a connection.
"""

import contextlib
import fcntl
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IPullProducer, ITransport
from twisted.internet.tcp import Connection as TcpConnection

_SO_MEMINFO: Final = 55
"""Linux's (since 4.12; asm-generic/socket.h). Python does not name it."""

_MEMINFO: Final = struct.Struct("=9I")
_SNDBUF: Final = 3  # SK_MEMINFO_SNDBUF
_WMEM_QUEUED: Final = 5  # SK_MEMINFO_WMEM_QUEUED

_SIOCOUTQNSD: Final = 0x894B
"""Linux's (linux/sockios.h): bytes that a TCP socket holds and has not sent even once."""

_INT: Final = struct.Struct("=i")
_NOTHING: Final = bytes(_INT.size)


class Descriptor:
    """
    A connected TCP socket and its transport.

    :ivar clear: nothing that was written to the transport waits to be sent: what goes straight to
        the socket overtakes nothing. Whoever writes to the transport makes this false; whoever is
        attached makes it true when he is resumed.
    """

    __slots__ = ("_transport", "clear", "fileno", "socket")

    def __init__(self, transport: Any, handle: socket.socket) -> None:
        self.socket = handle
        self.fileno: int = handle.fileno()
        self.clear = False
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send `data` through the transport: never blocks, and takes as much as there is."""
        self.clear = False
        self._transport.write(data)

    def read_with(self, read: Callable[[], Exception | None]) -> None:
        """
        Call `read` when there is something to read, and let the transport read nothing itself.

        `read` returns None, or one of `twisted.internet.main`'s reasons why it is the last time.
        """
        self._transport.doRead = read

    def give_back(self, read: Callable[[], Exception | None]) -> None:
        """Let the transport read by itself again, if it is still `read` that does it."""
        if self._transport.__dict__.get("doRead") == read:
            del self._transport.doRead

    def attach(self, producer: IPullProducer) -> None:
        """
        Have `producer` resumed whenever the socket takes more, and all that was written is sent.

        That is looked for once after each `await_room`, and now. (Twisted resumes it once before
        this returns, too.)
        """
        self._transport.registerProducer(producer, False)
        self.await_room()

    def await_room(self) -> None:
        """Have the producer resumed once."""
        self._transport.startWriting()

    def detach(self) -> None:
        """Forget the producer."""
        self._transport.unregisterProducer()

    def limit(self, most: int) -> None:
        """
        Have the kernel hold no more than `most` bytes beyond what the peer's window lets it send.

        Otherwise it takes some MiB for a peer that does not read, out of what it has for all.
        """
        with contextlib.suppress(OSError):  # the peer may have gone already
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, most)

    def room(self, most: int) -> int:
        """
        Bytes that the socket takes now, within its limit of `most`; 0 where it is better to wait.

        That is when the kernel calls it writable no longer, too. Whoever sends no more than this
        leaves nothing behind, but in a machine that is short of memory.
        """
        try:
            unsent: int = _INT.unpack(fcntl.ioctl(self.fileno, _SIOCOUTQNSD, _NOTHING))[0]
            info = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            fields: tuple[int, ...] = _MEMINFO.unpack(info)
        except (OSError, struct.error):  # older kernels; what then stays behind goes to Twisted
            return most
        size = fields[_SNDBUF]
        room = size - fields[_WMEM_QUEUED]
        if 2 * unsent >= most or 3 * room < size:
            return 0
        return min(most - unsent, room - (room >> 3))  # a part goes to the kernel's own records


def descriptor_of(transport: ITransport) -> Descriptor | None:
    """The socket beneath `transport`; None where there is more than one between, such as TLS."""
    if (
        sys.platform != "linux"
        or not isinstance(transport, TcpConnection)
        or transport.TLS
        or not transport.connected
    ):
        return None
    handle = transport.getHandle()
    if handle.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    return Descriptor(transport, handle)
