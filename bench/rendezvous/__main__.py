"""
`python -m bench.rendezvous`: reads the command line, runs the parts, prints their tables.

Every figure is the median of several rounds, in which the servers take turns on fresh databases.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.common import (
    LEAST_ROUNDS,
    WORK,
    BenchError,
    figure,
    install_other,
    machine,
    median,
    print_table,
    raise_file_limit,
    ratio,
    say,
    scratch,
)
from bench.rendezvous import parts
from bench.rendezvous.exchange import COMMANDS
from bench.rendezvous.parts import Better, Part, Plan, Row
from bench.rendezvous.servers import TITLES, Kind

_RESULTS = WORK / "rendezvous.json"
_SYNCS = 200


def main() -> None:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    raise_file_limit()
    try:
        other = install_other(options.other)
        with scratch() as directory:
            plan = _plan(options, other, directory)
            _introduce(directory)
            results = {}
            for part in options.part or list(Part):
                say(f"{part.value}:")
                rows = parts.run(part, plan)
                _show(part, plan, rows)
                results[part.value] = {
                    row.title: {kind.value: row.values.get(kind) for kind in plan.kinds}
                    for row in rows
                }
                _RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        say(f"every measurement is in {_RESULTS}")
    except BenchError as error:
        sys.exit(f"bench.rendezvous: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.rendezvous", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, fewer clients")
    parser.add_argument(
        "--part", type=Part, action="append", help=f"only this: {_names(Part)}; may be repeated"
    )
    parser.add_argument(
        "--server",
        type=Kind,
        action="append",
        help=f"only this: {_names(Kind)}; may be repeated; all but floor by default",
    )
    parser.add_argument(
        "--other",
        type=Path,
        default=os.environ.get("BENCH_OTHER"),
        help="an environment with the other server ($BENCH_OTHER; made in .bench/other if none)",
    )
    parser.add_argument("--rounds", type=int, help="measurements of each figure (3; quick 1)")
    parser.add_argument("--seconds", type=float, help="of each measurement, at least (10; quick 3)")
    parser.add_argument("--concurrency", type=_numbers, help="exchanges at once (1,50,200)")
    parser.add_argument("--idle", type=_numbers, help="idle clients (0,10000; quick 0,1000)")
    parser.add_argument("--sides", type=int, choices=(1, 2), default=2, help="in each idle mailbox")
    parser.add_argument("--live", type=int, help="live nameplates (100000; quick 10000)")
    return parser


def _plan(options: argparse.Namespace, other: Path, directory: Path) -> Plan:
    quick: bool = options.quick
    seconds = options.seconds or (3.0 if quick else 10.0)
    return Plan(
        kinds=options.server or [Kind.THEIRS, Kind.OURS, Kind.POSTGRES],
        other=other,
        scratch=directory,
        rounds=options.rounds or (1 if quick else 3),
        concurrency=options.concurrency or ([1, 50] if quick else [1, 50, 200]),
        idle=options.idle or ([0, 1000] if quick else [0, 10_000]),
        idle_seconds=6.0 if quick else 60.0,  # in which each is pinged once
        sides=options.sides,
        live=options.live or (10_000 if quick else 100_000),
        allocations=50 if quick else 200,
        warm_seconds=1.0 if quick else 2.0,
        seconds=seconds,
        most_seconds=15.0 if quick else 90.0,
        generations=1.0 if quick else 2.0,
    )


def _introduce(directory: Path) -> None:
    """What the figures depend on."""
    name = directory / "sync-probe"
    times = []
    with name.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(b"\0" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - start))
    print(
        f"{machine()} fdatasync of 4 KiB in {figure(median(times))} ms. "
        f"An exchange is two clients and {COMMANDS} commands. "
        f"× says how many times better than theirs, from {LEAST_ROUNDS} rounds on."
    )


def _show(part: Part, plan: Plan, rows: Sequence[Row]) -> None:
    shown = [kind for kind in plan.kinds if any(kind in row.values for row in rows)]
    head = [""]
    for kind in shown:
        head += [TITLES[kind]] if kind is Kind.THEIRS else [TITLES[kind], "×"]
    lines = []
    for row in rows:
        line = [row.title]
        theirs = row.median(Kind.THEIRS)
        for kind in shown:
            value = row.median(kind)
            line.append(figure(value))
            if kind is not Kind.THEIRS:
                line.append(_times_better(row.better, value, theirs, plan.rounds))
        lines.append(line)
    print_table(f"{part.value}, median of {plan.rounds}", head, lines)


def _times_better(better: Better, ours: float | None, theirs: float | None, rounds: int) -> str:
    match better:
        case Better.NEITHER:
            return ""
        case Better.HIGHER:
            return ratio(ours, theirs, rounds)
        case Better.LOWER:
            return ratio(theirs, ours, rounds)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _names(kinds: type[Part] | type[Kind]) -> str:
    return ", ".join(kind.value for kind in kinds)


if __name__ == "__main__":
    main()
