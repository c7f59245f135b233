"""
The load: senders that give the kernel pages that are there already, and receivers that have it throw
away what has come. Both cost far less than any relay between them, or they would be measured.

Senders and receivers are processes of their own, with one epoll loop each. What they count is shared
with whoever measures.
"""

import contextlib
import multiprocessing
import os
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from multiprocessing.sharedctypes import Synchronized

from bench.relay.clients import End, frame, grant

RECORD_BYTES = {end: (16 if end is End.TCP else 64) * 1024 + 44 for end in End}
"""What `wormhole` sends at once, and the page over WebSocket: a piece of a file, its number and its seal."""

_PIECE = 1 << 20
_FIRST_GRANT = 4 << 20
"""Bytes that the page grants at first; from then on it grants what has come, by the MiB."""
_SUPPLY = 4 << 20


def supply(end: End) -> tuple[int, int]:
    """A file in memory that a client can send again and again, and its length."""
    file = os.memfd_create("supply")
    one = os.urandom(RECORD_BYTES[end])
    record = one if end is End.TCP else frame(one)
    data = record * (_SUPPLY // len(record))
    os.write(file, data)
    return file, len(data)


@contextlib.contextmanager
def flowing(
    pairs: Sequence[tuple[socket.socket, socket.socket]], sender: End, receiver: End
) -> "Iterator[Synchronized[int]]":
    """Inside, all `pairs` move bytes as fast as they can; the value counts what has arrived."""
    context = multiprocessing.get_context("fork")
    counter = context.Value("q", 0, lock=False)
    senders = context.Process(target=_send, args=([one for one, _ in pairs], sender), daemon=True)
    receivers = context.Process(
        target=_receive, args=([other for _, other in pairs], receiver, counter), daemon=True
    )
    receivers.start()
    senders.start()
    for pair in pairs:
        for client in pair:
            client.close()  # they live on in the processes
    try:
        yield counter
    finally:
        for process in (senders, receivers):
            process.kill()
            process.join()


def _send(clients: Sequence[socket.socket], end: End) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file, length = supply(end)
    offsets = {}
    epoll = select.epoll()
    for client in clients:
        client.setblocking(False)
        offsets[client.fileno()] = 0
        epoll.register(client.fileno(), select.EPOLLOUT)
    while True:
        for fd, _ in epoll.poll():
            offset = offsets[fd]
            with contextlib.suppress(BlockingIOError):
                sent = os.sendfile(fd, file, offset, min(_PIECE, length - offset))
                offsets[fd] = (offset + sent) % length


def _receive(clients: Sequence[socket.socket], end: End, counter: "Synchronized[int]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sockets = {client.fileno(): client for client in clients}
    taken = dict.fromkeys(sockets, 0)
    epoll = select.epoll()
    nowhere = bytearray(_PIECE)  # never touched: the kernel only counts
    for fd, client in sockets.items():
        if end is End.CREDITED:
            client.sendall(grant(_FIRST_GRANT))
        client.setblocking(False)
        epoll.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            with contextlib.suppress(BlockingIOError):
                got = sockets[fd].recv_into(nowhere, _PIECE, socket.MSG_TRUNC)
                if not got:
                    epoll.unregister(fd)
                counter.value += got
                if end is End.CREDITED:
                    taken[fd] += got
                    if taken[fd] >= _PIECE:
                        sockets[fd].sendall(grant(taken[fd]))
                        taken[fd] = 0
