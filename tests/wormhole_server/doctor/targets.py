"""
Targets for the doctor, and a summary of its findings, for tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.sources import Flags, load
from wormhole_server.doctor.finding import Finding, Level
from wormhole_server.doctor.target import Target

NOW = 1_800_000_000.0


def make_target(
    *flags: str,
    clients: int = 1000,
    relay_url: str | None = None,
    transit_helper: str | None = None,
    transit_websocket: str | None = None,
) -> Target:
    """What `wormhole-server doctor` examines with these flags, and no other settings."""
    values: dict[str, list[str | bool]] = {}
    for flag in flags:
        name, _, value = flag.removeprefix("--").partition("=")
        values.setdefault(name, []).append(value)
    loaded = load(Flags(values), {})
    return Target(loaded, relay_url, transit_helper, transit_websocket, clients, lambda: NOW)


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    """The level of each check; the worst where there are several findings of one name."""
    worst: dict[str, Level] = {}
    order = list(Level)
    for each in findings:
        before = worst.get(each.check, Level.OK)
        worst[each.check] = max(before, each.level, key=order.index)
        # Everything that is wrong says what to do, and nothing else does.
        assert bool(each.fix) == (each.level is not Level.OK), each
    return worst


def all_of(test: SynchronousTestCase, findings: AsyncIterator[Finding]) -> list[Finding]:
    """The findings of a check that has nothing to wait for."""

    async def collect() -> list[Finding]:
        return [each async for each in findings]

    found: list[Finding] = test.successResultOf(Deferred.fromCoroutine(collect()))
    return found
