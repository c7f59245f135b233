"""
Latency: how long the rendezvous server in the same process takes to deliver a message, while the
relay has nothing to do and while pairs saturate it.
"""

import subprocess
import sys

import attrs
import msgspec

from bench.common import ROOT, BenchError
from bench.relay.clients import End
from bench.relay.load import flowing
from bench.relay.relays import Kind, Relays, Running
from bench.relay.throughput import pairs_of
from bench.rendezvous.load import Job, Measured

_ELSEWHERE = "127.0.0.2"  # the clients are not those of the relay, whose address would be alone


@attrs.frozen
class Latency:
    """From `add` until the other side has the message, in milliseconds."""

    idle_p50: float
    idle_p99: float
    busy_p50: float
    busy_p99: float


def measure(relays: Relays, kind: Kind, pairs: int, seconds: float) -> Latency:
    """With no pair, and then with so many, on one server."""
    with relays.running(kind) as relay:
        idle = _exchanges(relay, seconds)
        with flowing(pairs_of(relay, End.TCP, End.TCP, pairs), End.TCP, End.TCP):
            busy = _exchanges(relay, seconds)
    return Latency(idle.p50, idle.p99, busy.p50, busy.p99)


def _exchanges(relay: Running, seconds: float) -> Measured:
    """One exchange after the other, in a process of their own."""
    job = Job(
        port=relay.rendezvous,
        server_pid=relay.pid,
        database_pid=0,
        concurrency=1,
        warm_seconds=0.5,
        seconds=seconds,
        most_seconds=4 * seconds,
        generations=1.0,
        source=_ELSEWHERE,
    )
    argv = [sys.executable, "-m", "bench.rendezvous.load", msgspec.json.encode(job).decode()]
    done = subprocess.run(argv, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    measured = msgspec.json.decode(done.stdout, type=Measured)
    if measured.failed or not measured.finished:
        raise BenchError(f"the exchanges failed: {measured.first_failure}")
    return measured
