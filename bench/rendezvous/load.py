"""
The load generator: a process of its own, which keeps a number of exchanges going.

Reads a `Job` as JSON from its first argument and writes a `Measured` as JSON. Measures from when
every slot has finished an exchange. The rate counts acknowledged commands, not finished exchanges,
so that exchanges that are under way when the window opens or closes count for what they did in it.
"""

import gc
import sys
import time
from functools import partial

import msgspec

from bench.common import cpu_seconds, percentile, raise_file_limit, rss_bytes
from bench.rendezvous.exchange import COMMANDS, Exchange, Tally
from bench.rendezvous.wire import Connection, Loop

_WARM_PATIENCE_SECONDS = 120.0
_HOPELESS = 1000  # failed exchanges
_STALLED_SECONDS = 15.0
# Started together in one turn of the loop: a listen queue has room for 50.
_STARTED_AT_ONCE = 16


class Job(msgspec.Struct, frozen=True):
    """
    What to do.

    :ivar seconds: the shortest window; it lasts until every slot has finished `generations`
        exchanges on average, but at most `most_seconds`.
    :ivar database_pid: of a database server whose CPU is counted too, or 0.
    :ivar source: the address that all clients connect from; None: whichever the system chooses.
    """

    port: int
    server_pid: int
    database_pid: int
    concurrency: int
    warm_seconds: float
    seconds: float
    most_seconds: float
    generations: float
    source: str | None = None


class Measured(msgspec.Struct, frozen=True):
    """What came of it. Times in milliseconds, CPU per exchange."""

    rate: float
    server_cpu: float
    database_cpu: float
    p50: float
    p99: float
    rss_mib: float
    generator_share: float
    finished: int
    failed: int
    stalled: int
    first_failure: str
    window_seconds: float


def measure(job: Job) -> Measured:
    """Generate the load, and return what the server did with it."""
    loop = Loop()
    tally = Tally()
    running: set[Exchange] = set()

    connect = partial(Connection, source=job.source)

    def start() -> None:
        running.add(Exchange(loop, job.port, tally, over, connect=connect))

    def over(exchange: Exchange) -> None:
        running.discard(exchange)
        start()

    began = time.perf_counter()
    while len(running) < job.concurrency:
        for _ in range(min(_STARTED_AT_ONCE, job.concurrency - len(running))):
            start()
        loop.run(lambda: False, patience_seconds=0.02)
    loop.run(
        lambda: (
            (tally.finished >= job.concurrency and time.perf_counter() - began > job.warm_seconds)
            or tally.failed > _HOPELESS
        ),
        _WARM_PATIENCE_SECONDS,
    )

    def cost() -> tuple[float, float, float]:
        database = cpu_seconds(job.database_pid) if job.database_pid else 0.0
        return cpu_seconds(job.server_pid), database, time.process_time()

    before, acks, finished = cost(), tally.acks, tally.finished
    tally.latencies.clear()
    opened = time.perf_counter()
    enough = finished + job.generations * job.concurrency
    loop.run(
        lambda: (
            (tally.finished >= enough and time.perf_counter() - opened > job.seconds)
            or tally.failed > _HOPELESS
        ),
        job.most_seconds,
    )
    now = time.perf_counter()
    server, database, generator = (b - a for a, b in zip(before, cost(), strict=True))
    window, exchanges = now - opened, (tally.acks - acks) / COMMANDS
    each = 1000 / exchanges if exchanges else 0.0
    return Measured(
        rate=exchanges / window,
        server_cpu=server * each,
        database_cpu=database * each,
        p50=1000 * (percentile(tally.latencies, 0.50) or 0.0),
        p99=1000 * (percentile(tally.latencies, 0.99) or 0.0),
        rss_mib=rss_bytes(job.server_pid) / 2**20,
        generator_share=generator / window,
        finished=tally.finished - finished,
        failed=tally.failed,
        stalled=sum(now - one.progress > _STALLED_SECONDS for one in running),
        first_failure=tally.first_failure,
        window_seconds=window,
    )


def main() -> None:
    """Do the job in the first argument."""
    gc.disable()  # the run is short, and a collection would show up as latency of the server
    raise_file_limit()
    job = msgspec.json.decode(sys.argv[1], type=Job)
    print(msgspec.json.encode(measure(job)).decode())


if __name__ == "__main__":
    main()
