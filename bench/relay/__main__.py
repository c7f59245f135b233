"""
`python -m bench.relay`: reads the command line, runs the parts, prints their tables.

Every figure is the median of several rounds, in which the relays take turns, each started anew.
"""

import argparse
import enum
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import attrs

from bench.common import (
    LEAST_ROUNDS,
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
from bench.relay import latency, memory, throughput
from bench.relay.clients import End
from bench.relay.relays import TITLES, Kind, Relays, haproxy
from bench.relay.throughput import Case

T = TypeVar("T")

_ENDS = ((End.TCP, End.TCP), (End.WEBSOCKET, End.TCP), (End.TCP, End.WEBSOCKET))
_CASES = [
    *(Case(*ends, 1) for ends in (*_ENDS, (End.WEBSOCKET,) * 2)),
    *(Case(End.TCP, End.TCP, pairs) for pairs in (8, 32, 256)),
    Case(End.WEBSOCKET, End.WEBSOCKET, 32),
    Case(End.WEBSOCKET, End.CREDITED, 1),
]
_BUSY_PAIRS = 8


class Part(enum.Enum):
    """A part of the benchmark. The values are what the command line calls them."""

    THROUGHPUT = "throughput"
    MEMORY = "memory"
    LATENCY = "latency"


@attrs.frozen
class Plan:
    """What to run, and how long each measurement takes."""

    relays: Relays
    kinds: Sequence[Kind]
    rounds: int
    seconds: float
    pairs: int

    def in_turn(self, measure: Callable[[Kind], T], kinds: Sequence[Kind]) -> dict[Kind, list[T]]:
        """What `measure` finds, for each kind, in as many rounds."""
        found: dict[Kind, list[T]] = {kind: [] for kind in kinds}
        for _ in range(self.rounds):
            for kind in kinds:
                found[kind].append(measure(kind))
        return found


def main() -> None:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    raise_file_limit()
    quick: bool = options.quick
    try:
        other = install_other(options.other)
        with scratch() as directory:
            plan = Plan(
                Relays(other, directory),
                options.relay or _present(),
                options.rounds or (1 if quick else 3),
                options.seconds or (1.0 if quick else 3.0),
                options.pairs or (200 if quick else 2000),
            )
            print(
                f"{machine()} × says how many times better than theirs, from {LEAST_ROUNDS} rounds on."
            )
            for part in options.part or list(Part):
                say(f"{part.value}:")
                _RUN[part](plan)
    except BenchError as error:
        sys.exit(f"bench.relay: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, fewer pairs")
    parser.add_argument("--part", type=Part, action="append", help=f"only this: {_names(Part)}")
    parser.add_argument(
        "--relay", type=Kind, action="append", help=f"only this: {_names(Kind)}; may be repeated"
    )
    parser.add_argument(
        "--other",
        type=Path,
        default=os.environ.get("BENCH_OTHER"),
        help="an environment with the other relay ($BENCH_OTHER; made in .bench/other if none)",
    )
    parser.add_argument("--rounds", type=int, help="measurements of each figure (3; quick 1)")
    parser.add_argument("--seconds", type=float, help="of each measurement (3; quick 1)")
    parser.add_argument("--pairs", type=int, help="pairs of the memory part (2000; quick 200)")
    return parser


def _present() -> list[Kind]:
    if haproxy() is None:
        say("HAProxy is not installed (apt-get install haproxy), so it is left out")
    return [kind for kind in Kind if kind is not Kind.HAPROXY or haproxy() is not None]


def _throughput(plan: Plan) -> None:
    rows = []
    for case in _CASES:
        say(f"  {case.title}")
        found = plan.in_turn(
            functools.partial(throughput.measure, plan.relays, case, plan.seconds), plan.kinds
        )
        base: tuple[float, float] | None = None
        for kind, flows in found.items():
            speed = median([flow.gib_per_second for flow in flows if flow])
            cost = median([flow.cpu_seconds_per_gib for flow in flows if flow])
            peak = median([flow.peak_mib for flow in flows if flow])
            if speed is None or cost is None:
                continue
            if kind is Kind.THEIRS:
                base = speed, cost
            rows.append(
                [
                    f"{case.title}: {TITLES[kind]}",
                    figure(speed),
                    ratio(speed, base[0], plan.rounds) if base else "",
                    figure(cost),
                    ratio(base[1], cost, plan.rounds) if base else "",
                    figure(peak),
                ]
            )
    head = ["", "GiB/s", "×", "relay CPU s/GiB", "×", "peak RSS MiB"]
    print_table(f"throughput, median of {plan.rounds}", head, rows)


def _memory(plan: Plan) -> None:
    rows = []
    for user in (None, memory.NOBODY) if os.geteuid() == 0 else (None,):
        for kind in plan.kinds:
            if kind is Kind.HAPROXY or (user is not None and kind is not Kind.OURS):
                continue
            found = memory.measure(plan.relays, kind, plan.pairs, plan.seconds, user)
            rows.append(
                [
                    TITLES[kind] + (" as an ordinary user" if user else ""),
                    figure(found.bytes_per_connection / 1024),
                    figure(found.pipe_bytes / 1024),
                    figure(found.alone_gib_per_second),
                    figure(found.among_gib_per_second),
                ]
            )
    head = ["", "KiB per connection", "pipes, KiB", "one pair alone, GiB/s", "among them"]
    print_table(f"memory, {plan.pairs} pairs, half of them stalled", head, rows)


def _latency(plan: Plan) -> None:
    rows = []
    kinds = [kind for kind in plan.kinds if kind in (Kind.OURS, Kind.PRODUCER)]
    found = plan.in_turn(
        lambda kind: latency.measure(plan.relays, kind, _BUSY_PAIRS, 2 * plan.seconds), kinds
    )
    for kind, measured in found.items():
        values = [
            median([getattr(each, name) for each in measured])
            for name in ("idle_p50", "busy_p50", "idle_p99", "busy_p99")
        ]
        times = median([each.busy_p99 / each.idle_p99 for each in measured])
        rows.append([TITLES[kind], *map(figure, values), ratio(times, 1.0, plan.rounds)])
    head = ["ms", "p50 idle", "p50 busy", "p99 idle", "p99 busy", "times"]
    print_table(
        f"delivery by the rendezvous server while {_BUSY_PAIRS} pairs saturate the relay, "
        f"median of {plan.rounds}",
        head,
        rows,
    )


def _names(kinds: type[enum.Enum]) -> str:
    return ", ".join(kind.value for kind in kinds)


_RUN = {Part.THROUGHPUT: _throughput, Part.MEMORY: _memory, Part.LATENCY: _latency}

if __name__ == "__main__":
    main()
