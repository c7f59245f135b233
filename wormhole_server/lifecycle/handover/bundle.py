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
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_AT_ONCE: Final = 250
"""Descriptors in one message; Linux takes 253 (SCM_MAX_FD)."""

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
    Take a bundle apart, and close its descriptor.

    :return: what describes the sockets, and the sockets in their order.
    :raises NoBundleError: it is none.
    """
    try:
        with socket.socket(fileno=descriptor) as reading:
            reading.settimeout(_WAIT_SECONDS)
            descriptors = list(_received(reading))
    except OSError as error:
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


def _received(reading: socket.socket) -> Iterator[int]:
    while True:
        message, descriptors, _, _ = socket.recv_fds(reading, 1, _AT_ONCE)
        for each in descriptors:
            os.set_inheritable(each, False)
            yield each
        if not message:
            return
