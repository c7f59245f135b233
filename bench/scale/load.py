"""
The load generator for several instances: exchanges whose two sides are on different ones.

Reads a `Job` as JSON from its first argument and writes a `Measured` as JSON.
"""

import gc
import itertools
import sys
import time

import msgspec

from bench.common import cpu_seconds, percentile, raise_file_limit
from bench.rendezvous.exchange import COMMANDS, Exchange, Tally
from bench.rendezvous.wire import Loop

_STARTED_AT_ONCE = 16
_WARM_PATIENCE_SECONDS = 60.0


class Job(msgspec.Struct, frozen=True):
    """What to do; `pids` are the instances', as their `ports` are."""

    ports: list[int]
    pids: list[int]
    database_pid: int
    concurrency: int
    warm_seconds: float
    seconds: float


class Measured(msgspec.Struct, frozen=True):
    """
    What came of it. CPU and times in milliseconds, CPU per exchange.

    :ivar total: exchanges, warming up included.
    """

    rate: float
    instances_cpu: float
    database_cpu: float
    generator_share: float
    p50: float
    p99: float
    total: float
    failed: int
    first_failure: str


def measure(job: Job) -> Measured:
    """Generate the load, and return what it cost."""
    loop = Loop()
    tally = Tally()
    turns = itertools.count()

    def start() -> None:
        turn = next(turns)
        ports = [job.ports[(turn + shift) % len(job.ports)] for shift in (0, 1)]
        Exchange(loop, ports[0], tally, lambda _: start(), ports[1])

    for number in range(job.concurrency):
        start()
        if number % _STARTED_AT_ONCE == _STARTED_AT_ONCE - 1:
            loop.run(lambda: False, patience_seconds=0.02)
    began = time.perf_counter()
    loop.run(
        lambda: (
            tally.finished >= job.concurrency and time.perf_counter() - began > job.warm_seconds
        ),
        _WARM_PATIENCE_SECONDS,
    )

    def cost() -> tuple[float, float, float]:
        instances = sum(cpu_seconds(pid) for pid in job.pids)
        return instances, cpu_seconds(job.database_pid), time.process_time()

    before, acks = cost(), tally.acks
    tally.latencies.clear()
    opened = time.perf_counter()
    loop.run(lambda: False, job.seconds)
    window = time.perf_counter() - opened
    instances, database, generator = (b - a for a, b in zip(before, cost(), strict=True))
    exchanges = (tally.acks - acks) / COMMANDS
    each = 1000 / exchanges if exchanges else 0.0
    return Measured(
        rate=exchanges / window,
        instances_cpu=instances * each,
        database_cpu=database * each,
        generator_share=generator / window,
        p50=1000 * (percentile(tally.latencies, 0.50) or 0.0),
        p99=1000 * (percentile(tally.latencies, 0.99) or 0.0),
        total=tally.acks / COMMANDS,
        failed=tally.failed,
        first_failure=tally.first_failure,
    )


def main() -> None:
    """Do the job in the first argument."""
    gc.disable()  # the run is short, and a collection would show up as latency of the server
    raise_file_limit()
    job = msgspec.json.decode(sys.argv[1], type=Job)
    print(msgspec.json.encode(measure(job)).decode())


if __name__ == "__main__":
    main()
