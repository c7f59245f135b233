"""
The probe: whether the kernel moves bytes through a pipe, from one TCP socket to another.

Owns the sockets that it tries with. A kernel or a sandbox may give a pipe and refuse to splice: only bytes
that arrive prove it.
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

from transit_relay.descriptor import Descriptor
from transit_relay.links.pipe import Pipe, RefusedError

_BYTES: Final = b"spliced"
_SECONDS: Final = 1.0  # loopback delivers at once; the reactor must not wait for long
_LOOPBACK: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def probe(pipe: Pipe) -> None:
    """
    Move a few bytes with `pipe`.

    :raises RefusedError: they did not arrive.
    """
    try:
        with _connection() as (sender, source), _connection() as (target, receiver):
            sender.sendall(_BYTES)
            source.recv(1, socket.MSG_PEEK)  # waits until they have arrived
            pipe.fill(Descriptor(None, source), len(_BYTES))
            rest = pipe.empty(Descriptor(None, target), b"")
            if rest or receiver.recv(len(_BYTES)) != _BYTES:
                raise RefusedError("no splice from a pipe to a socket")
    except OSError as error:
        raise RefusedError(f"splice moves no bytes: {error}") from error


@contextlib.contextmanager
def _connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are connected with each other: TCP, or a Unix pair where there is no loopback."""
    ends = _connect()
    with ends[0], ends[1]:
        for end in ends:
            end.settimeout(_SECONDS)
        yield ends


def _connect() -> tuple[socket.socket, socket.socket]:
    for family, host in _LOOPBACK:
        with (
            contextlib.suppress(OSError),
            socket.create_server((host, 0), family=family) as port,
        ):
            port.settimeout(_SECONDS)
            one = socket.create_connection(port.getsockname()[:2], _SECONDS)
            try:
                return one, port.accept()[0]
            except OSError:
                one.close()
    return socket.socketpair()
