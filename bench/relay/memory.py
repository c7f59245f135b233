"""
Memory: many pairs, half of them with a receiver that never reads, and what a new pair has of that.

The relay may run as an ordinary user, who is allowed far less kernel memory in pipes than root.
"""

import contextlib
import fcntl
import itertools
import os
import socket
import time
from pathlib import Path

import attrs

from bench.common import rss_bytes
from bench.relay.clients import End, paired
from bench.relay.relays import Kind, Relays, Running
from bench.relay.throughput import Case, flow

NOBODY = 65534

_STALLED_SECONDS = 1.0
_SMALL = 64 * 1024  # the clients' own buffers, or the kernel's memory would be what is tested
_numbers = itertools.count(1 << 32)


@attrs.frozen
class Crowd:
    """What was measured. Speeds are those of one pair, before and among the others."""

    bytes_per_connection: float
    pipe_bytes: int
    alone_gib_per_second: float
    among_gib_per_second: float


def measure(relays: Relays, kind: Kind, pairs: int, seconds: float, user: int | None) -> Crowd:
    """`pairs` of which every second one is stalled, on a relay of its own."""
    with relays.running(kind, user) as relay, contextlib.ExitStack() as stack:
        case = Case(End.TCP, End.TCP, 1)
        alone = flow(relay, case, seconds).gib_per_second
        time.sleep(_STALLED_SECONDS)
        before = rss_bytes(relay.pid)
        crowd(relay, pairs, stack)
        grown = rss_bytes(relay.pid) - before
        pipes = pipe_bytes(relay.pid)
        among = flow(relay, case, seconds).gib_per_second
    return Crowd(grown / (2 * pairs), pipes, alone, among)


def crowd(relay: Running, pairs: int, stack: contextlib.ExitStack) -> None:
    """
    Make the pairs; leave them when the last byte has come to rest.

    The first of each pair has sent a little to the other, and then, in every second pair, sends
    until nobody takes anything any more.
    """
    stalled = []
    for number in range(pairs):
        sender, receiver = paired(relay.doors, End.TCP, End.TCP, _numbers)
        for client in (sender, receiver):
            stack.enter_context(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        sender.sendall(bytes(1000))
        receiver.recv(1000, socket.MSG_WAITALL)
        if number % 2:
            sender.setblocking(False)
            stalled.append(sender)
    data = bytes(1 << 20)
    moved_at = time.perf_counter()
    while time.perf_counter() - moved_at < _STALLED_SECONDS:
        for sender in stalled:
            with contextlib.suppress(BlockingIOError):
                while sender.send(data):
                    moved_at = time.perf_counter()


def pipe_bytes(pid: int) -> int:
    """Kernel memory in pipes that `pid` has, but for those that the reactor wakes itself with."""
    pipes: dict[str, int] = {}
    for name in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(name.readlink())
            if target.startswith("pipe:") and name.name not in ("0", "1", "2"):
                fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
                pipes[target] = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
                os.close(fd)
    return sum(pipes.values())
