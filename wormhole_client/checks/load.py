"""
The load: runs one thing many times, some of them at the same time, and makes a table of the results.

Owns the counting and the progress bar; what is run is given by the caller.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
from tqdm import tqdm
from twisted.internet.defer import CancelledError, Deferred, DeferredList

from wormhole_client.cancellation import until_done

RUN_SECONDS: Final = 300.0  # after which one run counts as failed
MIB: Final = 2**20
HEAD: Final = ["", "done", "failed", "per s", "median ms", "95% ms", "worst ms", "MiB/s"]


@attrs.define
class LoadResults:
    """
    The results of many runs of one thing.

    :ivar seconds: how long each run took that succeeded.
    :ivar reasons: how many runs failed, by reason.
    :ivar elapsed: seconds from the first start to the last end.
    :ivar moved: bytes through the relay.
    """

    what: str
    seconds: list[float] = attrs.field(factory=list)
    reasons: dict[str, int] = attrs.field(factory=dict)
    elapsed: float = 0.0
    moved: int = 0

    def add_failure(self, error: BaseException) -> None:
        """Count a run that failed."""
        reason = f"{type(error).__name__}: {error}"
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def failures(self) -> int:
        """How many runs failed."""
        return sum(self.reasons.values())

    def percentile(self, share: float) -> float:
        """
        Compute a percentile of the successful runs' durations.

        :param share: from 0 to 1.
        :return: in seconds; not a number if no run succeeded.
        """
        if not self.seconds:
            return math.nan
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    def row(self) -> list[str]:
        """Give the cells of the results' row in the table."""
        rate = len(self.seconds) / self.elapsed if self.elapsed else 0.0
        moved = f"{self.moved / MIB / self.elapsed:.1f}" if self.moved and self.elapsed else ""
        times = [f"{self.percentile(share) * 1000:.0f}" for share in (0.5, 0.95, 1.0)]
        return [self.what, str(len(self.seconds)), str(self.failures), f"{rate:.1f}", *times, moved]


def table(all_results: Sequence[LoadResults]) -> str:
    """Format the results: a row for each thing, then a line for each reason of a failure."""
    rows = [HEAD, *(results.row() for results in all_results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        row[0].ljust(widths[0])
        + "".join(f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    for results in all_results:
        lines += [f"{count} × {results.what}: {why}" for why, count in results.reasons.items()]
    return "\n".join(lines)


async def run_load(
    reactor: Any,
    results: LoadResults,
    total: int,
    at_once: int,
    run: Callable[[], Awaitable[object]],
    *,
    quiet: bool = False,
) -> None:
    """
    Run something many times and record the results.

    :param at_once: how many run at the same time, at most.
    :param quiet: show no progress bar.
    """
    began = reactor.seconds()
    numbers = iter(range(total))
    with tqdm(total=total, desc=results.what, unit="", disable=quiet or None) as bar:

        async def worker() -> None:
            for _ in numbers:
                await _run_once(reactor, results, run)
                bar.update()

        workers = [Deferred.fromCoroutine(worker()) for _ in range(min(at_once, total))]
        # Unlike gatherResults it waits until all that were cancelled have cleaned up.
        ended: list[tuple[bool, Any]] = await DeferredList(workers, consumeErrors=True)
    results.elapsed = reactor.seconds() - began
    for succeeded, reason in ended:
        if not succeeded:
            reason.raiseException()


async def _run_once(
    reactor: Any, results: LoadResults, run: Callable[[], Awaitable[object]]
) -> None:
    async def work() -> None:
        await run()

    began = reactor.seconds()
    try:
        await Deferred.fromCoroutine(until_done(work())).addTimeout(RUN_SECONDS, reactor)
    except CancelledError:
        raise
    except Exception as error:  # a run may fail in any way
        results.add_failure(error)
    else:
        results.seconds.append(reactor.seconds() - began)
