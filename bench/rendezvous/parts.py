"""
The parts of the benchmark. Each runs the servers in turn, round by round, and gives rows of
figures: one measurement a round and server, of which the table shows the median.
"""

import enum
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs
import msgspec

from bench import slow_disk
from bench.common import OURS, ROOT, BenchError, cpu_seconds, median, rss_bytes, say
from bench.rendezvous import allocate
from bench.rendezvous.crowd import idle_clients, most_clients
from bench.rendezvous.load import Job, Measured
from bench.rendezvous.servers import Kind, Running, prepared

_CONCURRENCY = 50  # of the parts that vary something else
_SLOW_MILLISECONDS = 5.0
_SETTLING_SECONDS = 1.0


class Part(enum.Enum):
    """What can be measured. The values are what the command line calls them."""

    EXCHANGES = "exchanges"  # whole exchanges, some number at once
    IDLE = "idle"  # the same beside idle clients, and what these cost
    ALLOCATE = "allocate"  # how long an allocation takes, with many nameplates live
    SLOW_DISK = "slow-disk"  # whole exchanges where a disk takes its time to sync


class Better(enum.Enum):
    """Which of two figures is the better one."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"  # of the benchmark itself


@attrs.frozen
class Plan:
    """How much is measured. Every number of servers, rounds and clients has its own database."""

    kinds: list[Kind]
    other: Path
    scratch: Path
    rounds: int
    concurrency: list[int]
    idle: list[int]
    idle_seconds: float
    sides: int
    live: int
    allocations: int
    warm_seconds: float
    seconds: float
    most_seconds: float
    generations: float


@attrs.define
class Row:
    """A figure of every server: what it is called, and its values, one a round."""

    title: str
    better: Better
    values: dict[Kind, list[float | None]] = attrs.field(factory=dict)

    def add(self, kind: Kind, value: float | None) -> None:
        self.values.setdefault(kind, []).append(value)

    def median(self, kind: Kind) -> float | None:
        return median(self.values.get(kind, []))


class Rows:
    """Rows in the order in which they first came up."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def add(self, title: str, better: Better, kind: Kind, value: float | None) -> None:
        self._rows.setdefault(title, Row(title, better)).add(kind, value)

    def all(self) -> list[Row]:
        return list(self._rows.values())


def run(part: Part, plan: Plan) -> list[Row]:
    """Measure `part` as `plan` says."""
    rows = Rows()
    measure: Callable[[Plan, Rows], None] = {
        Part.EXCHANGES: _exchanges,
        Part.IDLE: _idle,
        Part.ALLOCATE: _allocate,
        Part.SLOW_DISK: _slow_disk,
    }[part]
    measure(plan, rows)
    return rows.all()


def _exchanges(plan: Plan, rows: Rows) -> None:
    with prepared(plan.kinds, plan.other, plan.scratch) as servers:
        for concurrency in plan.concurrency:
            for kind in _in_turn(plan, plan.kinds):
                with servers.running(kind) as server:
                    measured = _load(plan, server, concurrency)
                _record(rows, f"{concurrency} at once: ", kind, server, measured)


def _slow_disk(plan: Plan, rows: Rows) -> None:
    kinds = [kind for kind in plan.kinds if kind is not Kind.FLOOR]
    pythons = {"theirs": plan.other / "python", "ours": OURS / "python"}
    environment = slow_disk.preload(_SLOW_MILLISECONDS, pythons, plan.scratch)
    with prepared(kinds, plan.other, plan.scratch, environment) as servers:
        for kind in _in_turn(plan, kinds):
            with servers.running(kind) as server:
                measured = _load(plan, server, _CONCURRENCY)
            _record(rows, f"{_CONCURRENCY} at once: ", kind, server, measured)


def _idle(plan: Plan, rows: Rows) -> None:
    counts = sorted({min(count, most_clients()) for count in plan.idle})
    if counts != sorted(plan.idle):
        say(f"NOTE: the limit of open files allows no more than {most_clients()} idle clients")
    with prepared(plan.kinds, plan.other, plan.scratch) as servers:
        for count in counts:
            for kind in _in_turn(plan, plan.kinds):
                with servers.running(kind) as server:
                    empty = rss_bytes(server.pid)
                    with idle_clients(server.port, count, plan.sides):
                        time.sleep(_SETTLING_SECONDS)
                        each = (rss_bytes(server.pid) - empty) / count / 1024 if count else None
                        before = cpu_seconds(server.pid)
                        time.sleep(plan.idle_seconds)
                        busy = (cpu_seconds(server.pid) - before) / plan.idle_seconds
                        measured = _load(plan, server, _CONCURRENCY)
                head = f"{count:,} idle: "
                rows.add(f"{head}% of a core while they wait", Better.LOWER, kind, 100 * busy)
                if count:
                    rows.add(f"{head}RSS KiB per idle client", Better.LOWER, kind, each)
                _record(rows, head, kind, server, measured)


def _allocate(plan: Plan, rows: Rows) -> None:
    # The rows are copied from SQLite file to SQLite file.
    kinds = [kind for kind in plan.kinds if kind in (Kind.THEIRS, Kind.OURS)]
    few = plan.live // 1000
    with prepared(kinds, plan.other, plan.scratch) as servers:
        cases: dict[str, Callable[[Kind], allocate.Allocation]] = {
            "no nameplate live": lambda kind: allocate.empty(servers, kind, plan.allocations),
            f"{plan.live:,} live": lambda kind: allocate.filled(
                servers, kind, plan.allocations, plan.live, free=0
            ),
            f"{plan.live:,} live, {few} shorter ones free": lambda kind: allocate.filled(
                servers, kind, plan.allocations, plan.live, free=few
            ),
        }
        for title, case in cases.items():
            for kind in _in_turn(plan, kinds):
                allocation = case(kind)
                say(f"  {kind.value}: {title}: p50 {allocation.p50:.2f} ms")
                rows.add(f"{title}: allocate p50 ms", Better.LOWER, kind, allocation.p50)
                rows.add(f"{title}: allocate p99 ms", Better.LOWER, kind, allocation.p99)


def _in_turn(plan: Plan, kinds: Sequence[Kind]) -> Iterable[Kind]:
    for _ in range(plan.rounds):
        yield from kinds


def _load(plan: Plan, server: Running, concurrency: int) -> Measured:
    job = Job(
        port=server.port,
        server_pid=server.pid,
        database_pid=server.database_pid,
        concurrency=concurrency,
        warm_seconds=plan.warm_seconds,
        seconds=plan.seconds,
        most_seconds=plan.most_seconds,
        generations=plan.generations,
    )
    argument = msgspec.json.encode(job).decode()
    done = subprocess.run(
        [sys.executable, "-m", "bench.rendezvous.load", argument],
        stdout=subprocess.PIPE,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise BenchError(f"the load generator failed against {server.process.name}")
    return msgspec.json.decode(done.stdout, type=Measured)


def _record(rows: Rows, head: str, kind: Kind, server: Running, measured: Measured) -> None:
    say(
        f"  {kind.value}: {head}{measured.rate:.1f}/s, CPU {measured.server_cpu:.2f} ms, "
        f"p50 {measured.p50:.1f} p99 {measured.p99:.1f} ms, {measured.finished} finished "
        f"in {measured.window_seconds:.1f} s, generator {measured.generator_share:.0%} of a core"
    )
    if measured.failed or measured.stalled:
        say(
            f"WARNING: {measured.failed} exchanges failed, {measured.stalled} stand still: "
            f"{measured.first_failure}"
        )
    if not measured.rate:
        raise BenchError(f"{server.process.name} finished no exchange: {measured.first_failure}")
    rows.add(f"{head}exchanges/s", Better.HIGHER, kind, measured.rate)
    rows.add(f"{head}server CPU ms per exchange", Better.LOWER, kind, measured.server_cpu)
    rows.add(f"{head}delivery p50 ms", Better.LOWER, kind, measured.p50)
    rows.add(f"{head}delivery p99 ms", Better.LOWER, kind, measured.p99)
    rows.add(f"{head}server RSS MiB", Better.LOWER, kind, measured.rss_mib)
    share = 100 * measured.generator_share
    rows.add(f"{head}load generator, % of a core", Better.NEITHER, kind, share)
    if server.database_pid:
        title = f"{head}PostgreSQL itself, CPU ms per exchange"
        rows.add(title, Better.NEITHER, kind, measured.database_cpu)
