"""Keeps processes full of idle clients beside a server while it is measured."""

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator

from bench.common import ROOT, BenchError, say

# What a server and each process of clients need for anything but idle clients.
_SPARE_FILES = 400
_CLIENTS_PER_PROCESS = 10_000


def most_clients() -> int:
    """How many idle clients a server can hold, as this machine limits open files."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES


@contextlib.contextmanager
def idle_clients(port: int, count: int, sides: int) -> Iterator[None]:
    """
    Hold `count` clients in open mailboxes, `sides` in each.

    :raises BenchError: they did not get in, or were not all there at the end.
    """
    processes: list[tuple[subprocess.Popen[str], int]] = []
    try:
        for number, first in enumerate(range(0, count, _CLIENTS_PER_PROCESS)):
            here = min(_CLIENTS_PER_PROCESS, count - first)
            # An address of its own: the ports of one would not suffice for all.
            process = _start(port, here, sides, f"127.0.1.{number + 1}")
            processes.append((process, here))
            if _line(process) != "ready":
                raise BenchError(f"{count} idle clients did not get in")
        yield
        for process, here in processes:
            assert process.stdin is not None
            process.stdin.write("?\n")
            process.stdin.flush()
            left = _line(process)
            if left != str(here):
                say(f"WARNING: of {here} idle clients {left or 'none'} were left at the end")
    finally:
        for process, _ in processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def _start(port: int, count: int, sides: int, source: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.rendezvous.idle", str(port), str(count), str(sides), source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
