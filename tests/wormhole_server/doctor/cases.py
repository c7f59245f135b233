"""
A case for the doctor, for tests.
"""

from __future__ import annotations

from collections.abc import Iterable

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, Level
from wormhole_server.sources import Flags, load

NOW = 1_800_000_000.0


def case(*flags: str, clients: int = 1000, relay_url: str | None = None) -> Case:
    """What `wormhole-server doctor` would look at with these flags, and no others."""
    values: dict[str, list[str | bool]] = {}
    for flag in flags:
        name, _, value = flag.removeprefix("--").partition("=")
        values.setdefault(name, []).append(value)
    return Case(load(Flags(values), {}), relay_url, None, None, clients, lambda: NOW)


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    """How each thing was found; the worst where there are several of a name."""
    worst: dict[str, Level] = {}
    order = list(Level)
    for each in findings:
        before = worst.get(each.check, Level.OK)
        worst[each.check] = max(before, each.level, key=order.index)
        # Whatever is wrong has its mend, and nothing else has one.
        assert bool(each.mend) == (each.level is not Level.OK), each
    return worst
