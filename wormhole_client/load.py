"""
`wormhole-client load`: many clients at once, from this one process. Runs exchanges, relay pairs and
idle clients as they are asked for, shows progress, then a table. Owns the counting; what one client
does is the probes' affair.
"""

import argparse
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
from tqdm import tqdm
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from wormhole_client import probes
from wormhole_client.network import Internet
from wormhole_client.probes import Probe
from wormhole_client.relay_probe import relay
from wormhole_client.terminal import say

ITEM_SECONDS: Final = 300.0  # after which one exchange, or one pair, counts as failed
RAMP: Final = 50  # idle clients that connect at the same time
MIB: Final = 2**20


@attrs.define
class Tally:
    """What came of many runs of one thing."""

    what: str
    seconds: list[float] = attrs.field(factory=list)
    reasons: dict[str, int] = attrs.field(factory=dict)
    elapsed: float = 0.0
    moved: int = 0
    """Bytes through the relay."""

    def failed(self, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def failures(self) -> int:
        return sum(self.reasons.values())

    def percentile(self, share: float) -> float:
        """The time within which `share` of those that succeeded were done, in seconds."""
        if not self.seconds:
            return math.nan
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    def row(self) -> list[str]:
        rate = len(self.seconds) / self.elapsed if self.elapsed else 0.0
        moved = f"{self.moved / MIB / self.elapsed:.1f}" if self.moved and self.elapsed else ""
        times = [f"{self.percentile(share) * 1000:.0f}" for share in (0.5, 0.95, 1.0)]
        return [self.what, str(len(self.seconds)), str(self.failures), f"{rate:.1f}", *times, moved]


HEAD: Final = ["", "done", "failed", "per s", "median ms", "95% ms", "worst ms", "MiB/s"]


def table(tallies: Sequence[Tally]) -> str:
    """One line for each tally, and one for each reason of a failure."""
    rows = [HEAD, *(tally.row() for tally in tallies)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        row[0].ljust(widths[0])
        + "".join(f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    for tally in tallies:
        lines += [f"{count} × {tally.what}: {why}" for why, count in tally.reasons.items()]
    return "\n".join(lines)


@attrs.frozen
class Crowd:
    """Runs one thing many times, some of them at the same time."""

    reactor: Any
    quiet: bool = False

    async def run(
        self, tally: Tally, total: int, at_once: int, one: Callable[[], Awaitable[object]]
    ) -> None:
        began = self.reactor.seconds()
        numbers = iter(range(total))
        with tqdm(total=total, desc=tally.what, unit="", disable=self.quiet or None) as bar:

            async def worker() -> None:
                for _ in numbers:
                    await self._once(tally, one)
                    bar.update()

            workers = [Deferred.fromCoroutine(worker()) for _ in range(min(at_once, total))]
            await gatherResults(workers)
        tally.elapsed = self.reactor.seconds() - began

    async def _once(self, tally: Tally, one: Callable[[], Awaitable[object]]) -> None:
        async def work() -> None:
            await one()

        began = self.reactor.seconds()
        running = Deferred.fromCoroutine(work())
        running.addTimeout(ITEM_SECONDS, self.reactor)
        try:
            await running
        except Exception as error:  # counted, told in the end
            tally.failed(error)
        else:
            tally.seconds.append(self.reactor.seconds() - began)


async def load(reactor: Any, options: argparse.Namespace) -> None:
    """
    Put on the load that the options ask for, and print the table.

    :raises SystemExit: something failed.
    """
    probe = Probe(reactor, Internet(reactor), options.relay_url)
    crowd = Crowd(reactor)
    tallies = []
    idle: list[probes.Idler] = []

    async def linger() -> None:
        idler = probes.Idler(probe)
        await idler.connect()
        idle.append(idler)

    async def pair() -> None:
        way = options.transit_helper
        await relay(probe, way, way, options.size)
        pairs.moved += options.size

    if options.idle:
        tallies.append(idling := Tally("idle clients"))
        await crowd.run(idling, options.idle, RAMP, linger)
    if options.exchanges:
        tallies.append(exchanges := Tally("exchanges"))
        await crowd.run(
            exchanges, options.exchanges, options.concurrency, lambda: probes.exchange(probe)
        )
    if options.pairs:
        tallies.append(pairs := Tally("relay pairs"))
        await crowd.run(pairs, options.pairs, options.concurrency, pair)
    if options.idle and options.hold:
        say(f"holding {len(idle)} idle clients for {options.hold} seconds")
        await deferLater(reactor, options.hold)
    lost = sum(idler.lost for idler in idle)
    await gatherResults([idler.close() for idler in idle])
    print(table(tallies))
    if lost:
        say(f"{lost} idle clients lost their connection")
    if lost or any(tally.failures for tally in tallies):
        raise SystemExit(1)
