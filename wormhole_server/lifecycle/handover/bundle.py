"""
The bundle: any number of sockets, and bytes that describe them, as one file descriptor.

It is the reading end of a pair of Unix sockets, into which everything was sent before the other end was
closed. The kernel keeps what is on its way as long as somebody has the reading end. systemd compares each
descriptor that it is to keep with all that it keeps, and names each in one variable of the environment: ten
thousand of them would take it half a minute, and not start.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Final

_AT_ONCE: Final = 250
"""Descriptors in one message; Linux takes 253 (SCM_MAX_FD)."""

_SO_PEEK_OFF: Final = 42
"""Of Linux (asm-generic/socket.h): a peek begins where the one before has ended. Python does not name it."""

_INT: Final = struct.Struct("=i")

_WAIT_SECONDS: Final = 1.0
"""Nothing here waits for a peer; a message that does not fit would wait for ever."""


class NoBundleError(Exception):
    """A descriptor is not the reading end of a bundle."""


def pack(description: bytes, sockets: Sequence[socket.socket]) -> int:
    """
    Make a bundle.

    :param sockets: stay open here as well.
    :return: a file descriptor.
    :raises OSError: the kernel allows no more descriptors on their way, or has no memory.
    """
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with writing:
        writing.settimeout(_WAIT_SECONDS)
        try:
            file = os.memfd_create("wormhole-server handover")
            try:
                with open(file, "wb", closefd=False) as described:
                    described.write(description)
                descriptors = [file, *(each.fileno() for each in sockets)]
                for start in range(0, len(descriptors), _AT_ONCE):
                    socket.send_fds(writing, [b"."], descriptors[start : start + _AT_ONCE])
            finally:
                os.close(file)
        except OSError:
            reading.close()
            raise
    return reading.detach()


def unpack(descriptor: int) -> tuple[bytes, list[socket.socket]]:
    """
    Take a bundle apart, and close its descriptor. Other copies of it stay whole.

    :return: what describes the sockets, and the sockets in their order.
    :raises NoBundleError: it is none.
    """
    descriptors: list[int] = []
    try:
        with socket.socket(fileno=descriptor) as reading:
            reading.settimeout(_WAIT_SECONDS)
            reading.setsockopt(socket.SOL_SOCKET, _SO_PEEK_OFF, 0)
            while more := _peek(reading):
                descriptors += more
    except OSError as error:
        for each in descriptors:
            os.close(each)
        raise NoBundleError(str(error)) from error
    if not descriptors:
        raise NoBundleError("it is empty")
    file, *rest = descriptors
    sockets = [socket.socket(fileno=each) for each in rest]
    with open(file, "rb") as described:
        described.seek(0)
        return described.read(), sockets


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close sockets that nobody goes on with."""
    for each in sockets:
        each.close()


def _peek(reading: socket.socket) -> list[int]:
    """Take copies of the descriptors of the next message, and leave the message; none: there is none."""
    # Not `socket.recv_fds`, which ignores its flags.
    _, ancillary, _, _ = reading.recvmsg(
        1, socket.CMSG_SPACE(_AT_ONCE * _INT.size), socket.MSG_PEEK
    )
    descriptors = [each for _, _, data in ancillary for (each,) in _INT.iter_unpack(data)]
    for each in descriptors:
        os.set_inheritable(each, False)
    return descriptors
