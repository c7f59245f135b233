"""
`python -m bench.scale`: exchanges with 1, 2 and 4 instances on one PostgreSQL, the database's share apart.

The two sides of each exchange are on different instances where there are several. All run on this
machine, the load generator and the database too: what counts is the CPU of an exchange, and where it goes.
"""

import argparse
import contextlib
import subprocess
import sys
from pathlib import Path

import msgspec
import psycopg

from bench import postgres
from bench.common import (
    BOUNDS_OUT_OF_REACH,
    OURS,
    ROOT,
    BenchError,
    ServerProcess,
    figure,
    free_port,
    machine,
    print_table,
    raise_file_limit,
    say,
    scratch,
)
from bench.scale.load import Job, Measured

_TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_HEAD = [
    "instances",
    "exchanges/s",
    "CPU of instances, ms",
    "CPU of PostgreSQL, ms",
    "transactions",
    "WAL, KiB",
    "latency p50, ms",
    "p99, ms",
]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--instances", type=_numbers, default=[1, 2, 4], help="how many (1,2,4)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (10)")
    parser.add_argument("--concurrency", type=int, default=50, help="exchanges at once (50)")
    options = parser.parse_args()
    raise_file_limit()
    try:
        with scratch() as directory, postgres.running(directory / "postgres", {}) as database:
            print(machine())
            rows = [
                _row(count, database, directory, options.concurrency, options.seconds)
                for count in options.instances
            ]
        print_table(f"{options.concurrency} exchanges at once; costs per exchange", _HEAD, rows)
    except BenchError as error:
        sys.exit(f"bench.scale: {error}")


def _row(
    count: int, database: postgres.Postgres, directory: Path, concurrency: int, seconds: float
) -> list[str]:
    say(f"{count} instances")
    url = database.fresh_database()
    with contextlib.ExitStack() as stack:
        instances = []
        for _ in range(count):
            port = free_port()
            argv = [
                str(OURS / "wormhole-server"),
                "run",
                f"--rendezvous=tcp:{port}:interface=127.0.0.1",
                "--transit=none",
                "--metrics=none",
                f"--database={url}",
                *BOUNDS_OUT_OF_REACH,
            ]
            log = directory / f"{port}.log"
            instances.append(stack.enter_context(ServerProcess("an instance", argv, port, log)))
        job = Job(
            ports=[instance.port for instance in instances],
            pids=[instance.pid for instance in instances],
            database_pid=database.pid,
            concurrency=concurrency,
            warm_seconds=2.0,
            seconds=seconds,
        )
        measured, transactions, wal = _measure(job, url)
    if measured.failed:
        raise BenchError(f"{measured.failed} exchanges failed: {measured.first_failure}")
    return [
        str(count),
        figure(measured.rate),
        figure(measured.instances_cpu),
        figure(measured.database_cpu),
        figure(transactions),
        figure(wal / 1024),
        figure(measured.p50),
        figure(measured.p99),
    ]


def _measure(job: Job, url: str) -> tuple[Measured, float, float]:
    """What the generator says, and the transactions and bytes of WAL of an exchange, warming up included."""
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:

        def counts() -> tuple[int, int]:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            row = [connection.execute(query).fetchone() for query in (_TRANSACTIONS, _WAL)]
            return tuple(int(each[0]) if each else 0 for each in row)  # type: ignore[return-value]

        before = counts()
        done = subprocess.run(
            [sys.executable, "-m", "bench.scale.load", msgspec.json.encode(job).decode()],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
        if done.returncode:
            raise BenchError("the load generator failed")
        measured = msgspec.json.decode(done.stdout, type=Measured)
        after = counts()
    exchanges = max(1.0, measured.total)
    return measured, (after[0] - before[0]) / exchanges, (after[1] - before[1]) / exchanges


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
