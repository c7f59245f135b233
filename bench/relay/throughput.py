"""Throughput: how fast bytes go from senders to receivers, and what that costs the relay."""

import itertools
import socket
import time
from pathlib import Path

import attrs

from bench.common import BenchError, cpu_seconds
from bench.relay.clients import End, paired, proxied
from bench.relay.load import flowing
from bench.relay.relays import Kind, Relays, Running

_GIB = 1 << 30
_WARM_SECONDS = 0.5
_numbers = itertools.count(1)


@attrs.frozen
class Case:
    """One line of the table: who sends to whom, and how many pairs do at once."""

    sender: End
    receiver: End
    pairs: int

    @property
    def title(self) -> str:
        plural = "pair" if self.pairs == 1 else "pairs"
        return f"{self.sender.value}-{self.receiver.value}, {self.pairs} {plural}"


@attrs.frozen
class Flow:
    """What was measured. `gib_per_second` is of all pairs together."""

    gib_per_second: float
    cpu_seconds_per_gib: float
    peak_mib: float


def measure(relays: Relays, case: Case, seconds: float, kind: Kind) -> Flow | None:
    """One measurement on a relay of its own; None where the relay does not do this."""
    ends = {case.sender, case.receiver}
    if (kind is Kind.HAPROXY and ends != {End.TCP}) or (
        kind is Kind.THEIRS and End.CREDITED in ends
    ):
        return None
    with relays.running(kind) as relay:
        return flow(relay, case, seconds)


def flow(relay: Running, case: Case, seconds: float) -> Flow:
    """One measurement on a relay that runs."""
    pairs = pairs_of(relay, case.sender, case.receiver, case.pairs)
    with flowing(pairs, case.sender, case.receiver) as arrived:
        time.sleep(_WARM_SECONDS)
        start = time.perf_counter(), cpu_seconds(relay.pid), arrived.value
        time.sleep(seconds)
        end = time.perf_counter(), cpu_seconds(relay.pid), arrived.value
    elapsed, cpu, moved = (after - before for before, after in zip(start, end, strict=True))
    if not moved:
        raise BenchError(f"{case.title}: nothing arrived")
    return Flow(moved / _GIB / elapsed, cpu * _GIB / moved, peak_bytes(relay.pid) / (1 << 20))


def pairs_of(
    relay: Running, sender: End, receiver: End, count: int
) -> list[tuple[socket.socket, socket.socket]]:
    """So many pairs, ready for use."""
    if relay.doors.listens:
        return [proxied(relay.doors) for _ in range(count)]
    return [paired(relay.doors, sender, receiver, _numbers) for _ in range(count)]


def peak_bytes(pid: int) -> int:
    """The most that `pid` has had in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} is gone")
