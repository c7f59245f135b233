"""
`python -m bench.abuse`: what each nuisance costs honest clients, in a table.

For each nuisance a server is started on a fresh SQLite file. Honest exchanges run beside nobody, and then
beside the nuisance. A step is a command and its answer; it is measured as the smaller of the time it takes
and the processor time of the server meanwhile.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import msgspec

from bench.abuse import server, sharing
from bench.abuse.attack import AttackJob
from bench.abuse.honest import HonestJob, Steps
from bench.abuse.nuisances import GROUPS, NUISANCES
from bench.abuse.server import ServerUnderAttack
from bench.common import (
    BOUNDS_OUT_OF_REACH,
    ROOT,
    BenchError,
    cpu_seconds,
    figure,
    install_other,
    machine,
    print_table,
    raise_file_limit,
    say,
    scratch,
)

_HONEST = [f"127.0.3.{number}" for number in range(1, 251)]
_WARM_SECONDS = 1.0
_AT_ONCE = 50
_CROWDS: dict[str, Sequence[str]] = {
    "1": ["127.0.0.2"],
    "20": ["127.0.0.2"] * 20,
    "100": ["127.0.0.2"] * 100,
    "200-addresses": [f"127.0.1.{number}" for number in range(1, 201)],
}


@attrs.frozen
class _Result:
    """Of one nuisance from one crowd; sizes in bytes, `server_share` of a processor."""

    idle: Steps
    beside: Steps
    rss_before: int
    rss_after: int
    disk: int
    server_share: float
    bounds: dict[str, int]

    @property
    def times(self) -> float:
        """The 99th percentile of steps, as a multiple of that at rest; 0 where that is 0."""
        rest = self.idle.least_p99
        return self.beside.least_p99 / rest if rest else 0.0


def main() -> None:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    raise_file_limit()
    print(machine())
    try:
        with scratch() as directory:
            if options.sharing:
                _share(options, directory)
            else:
                _attack(options, directory)
    except BenchError as error:
        sys.exit(f"bench.abuse: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.abuse", description=__doc__)
    parser.add_argument(
        "--nuisance", choices=list(NUISANCES), action="append", help="only this; may be repeated"
    )
    parser.add_argument(
        "--crowd", choices=list(_CROWDS), action="append", help="only this; may be repeated"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="beside each nuisance (10)")
    parser.add_argument("--idle", type=float, default=5.0, help="beside nobody (5)")
    parser.add_argument(
        "--honest",
        nargs="+",
        default=_HONEST,
        metavar="ADDRESS",
        help=f"of honest clients ({_HONEST[0]} to {_HONEST[-1]})",
    )
    parser.add_argument(
        "--theirs",
        action="store_true",
        help="attack magic-wormhole-mailbox-server instead",
    )
    parser.add_argument(
        "--other",
        type=Path,
        default=os.environ.get("BENCH_OTHER"),
        help="an environment with that server ($BENCH_OTHER; made in .bench/other if none)",
    )
    parser.add_argument(
        "--sharing",
        action="store_true",
        help=f"instead: {_AT_ONCE} exchanges at once from one address, and one client elsewhere",
    )
    return parser


def _attack(options: argparse.Namespace, directory: Path) -> None:
    crowds = options.crowd or list(_CROWDS)
    results = {
        (name, crowd): _measure(name, crowd, options, directory)
        for name in options.nuisance or NUISANCES
        if not (options.theirs and NUISANCES[name].needs_relay)
        for crowd in crowds
    }
    rows = [_row(name, crowd, result) for (name, crowd), result in results.items()]
    head = ["nuisance", "from", "idle p50", "p99", "beside p50", "p99", "× idle", "wall p99 idle"]
    head += ["beside", "connect p99", "exchanges/s", "RSS MiB", "disk MiB", "CPU", "bounds met"]
    print_table("Steps of honest clients, in ms", head, rows)
    if len(results) > len(crowds):
        _print_groups(results, crowds)


def _measure(name: str, crowd: str, options: argparse.Namespace, directory: Path) -> _Result:
    place = directory / f"{name}-{crowd}"
    running = server.running(place)
    if options.theirs:
        running = server.running_theirs(place, install_other(options.other))
    with running as target:
        _honest(HonestJob(target.web, target.pid, options.honest, _WARM_SECONDS))
        idle = _honest(HonestJob(target.web, target.pid, options.honest, options.idle))
        before = target.rss_bytes()
        with _attacking(target, name, crowd):
            time.sleep(NUISANCES[name].prepare_seconds)
            began, cpu = time.monotonic(), cpu_seconds(target.pid)
            beside = _honest(HonestJob(target.web, target.pid, options.honest, options.seconds))
            share = (cpu_seconds(target.pid) - cpu) / (time.monotonic() - began)
            after = target.rss_bytes()
        disk, bounds = target.disk_bytes(), target.bounds_met()
    say(f"  {name} from {crowd}: p99 {idle.least_p99:.2f} → {beside.least_p99:.2f} ms")
    if beside.failed:
        say(f"WARNING: {beside.failed} exchanges failed: {beside.first_failure}")
    return _Result(idle, beside, before, after, disk, share, bounds)


@contextlib.contextmanager
def _attacking(target: ServerUnderAttack, name: str, crowd: str) -> Iterator[None]:
    """Inside, a nuisance is at work."""
    job = AttackJob(name, target.web, target.relay, list(_CROWDS[crowd]))
    argument = msgspec.json.encode(job).decode()
    process = subprocess.Popen([sys.executable, "-m", "bench.abuse.attack", argument], cwd=ROOT)
    try:
        yield
        if process.poll() is not None:
            raise BenchError(f"the nuisance {name} has failed")
    finally:
        process.kill()
        process.wait()


def _honest(job: HonestJob) -> Steps:
    argv = [sys.executable, "-m", "bench.abuse.honest", msgspec.json.encode(job).decode()]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise BenchError("the honest clients failed")
    return msgspec.json.decode(done.stdout, type=Steps)


def _row(name: str, crowd: str, result: _Result) -> list[str]:
    idle, beside = result.idle, result.beside
    mib = 2**20
    return [
        NUISANCES[name].title,
        crowd,
        figure(idle.least_p50),
        figure(idle.least_p99),
        figure(beside.least_p50),
        figure(beside.least_p99),
        figure(result.times),
        figure(idle.wall_p99),
        figure(beside.wall_p99),
        figure(beside.connect_p99),
        figure(beside.exchanges / beside.seconds),
        f"{result.rss_before / mib:.0f} → {result.rss_after / mib:.0f}",
        figure(result.disk / mib),
        f"{result.server_share:.0%}",
        ", ".join(f"{bound} {count}" for bound, count in result.bounds.items()),
    ]


def _print_groups(results: Mapping[tuple[str, str], _Result], crowds: Sequence[str]) -> None:
    """Print the worst of each group: p99 as a multiple of that at rest."""
    rows = []
    for group, names in GROUPS.items():
        row = [group]
        resident = 0
        for crowd in crowds:
            found = {
                name: results[name, crowd] for name in names.split() if (name, crowd) in results
            }
            worst = max(found, key=lambda name: found[name].times, default=None)
            row.append("–" if worst is None else f"{figure(found[worst].times)} ({worst})")
            resident = max([resident, *(each.rss_after for each in found.values())])
        rows.append([*row, f"{resident / 2**20:.0f}"])
    head = ["the worst of", *(f"from {crowd}" for crowd in crowds), "RSS MiB"]
    print_table("p99, × idle", head, rows)


def _share(options: argparse.Namespace, directory: Path) -> None:
    with server.running(directory / "sharing", *BOUNDS_OUT_OF_REACH) as target:
        shared = sharing.measure(target, options.honest, _AT_ONCE, options.seconds)
    alone, beside = shared.one_alone, shared.one_beside
    rate_alone, rate_beside = alone.exchanges / alone.seconds, beside.exchanges / beside.seconds
    rows = [
        _compared(f"{_AT_ONCE} at once: exchanges/s", shared.many_alone, shared.many_beside),
        _compared("one client: exchanges/s", rate_alone, rate_beside),
        _compared("one client: step p50 ms", alone.least_p50, beside.least_p50),
        _compared("one client: step p99 ms", alone.least_p99, beside.least_p99),
    ]
    print_table("Two honest addresses", ["", "alone", "both", "ratio"], rows)


def _compared(title: str, alone: float, beside: float) -> list[str]:
    return [title, figure(alone), figure(beside), figure(beside / alone if alone else None)]


if __name__ == "__main__":
    main()
