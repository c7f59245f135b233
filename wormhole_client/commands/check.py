"""
The command `wormhole-client check`: from options to a check, or to a watch, and its report.
"""

import argparse
from typing import Any

from twisted.python.runtime import seconds

from wormhole_client.checks.check import Check, StepResult
from wormhole_client.commands.terminal import say, show


async def check(reactor: Any, options: argparse.Namespace) -> None:
    """
    Run one check and print its report; with `--watch`, run checks until cancelled.

    :raises SystemExit: a step failed.
    """
    job = Check(
        reactor,
        options.relay_url,
        options.transit_helper,
        options.transit_websocket,
        options.size,
        options.idle,
        seconds,
    )
    if options.watch is not None:
        await _watch(reactor, job, options)
    if not options.json:
        job.on_result = lambda result: show(result.line())
    report = await job.run()
    if options.json:
        show(report.to_json())
    if not report.ok:
        raise SystemExit(1)


async def _watch(reactor: Any, job: Check, options: argparse.Namespace) -> None:
    # Only a watch needs prometheus_client.
    from wormhole_client.checks.watch import CheckMetrics, serve_metrics, watch  # noqa: PLC0415

    def tell(result: StepResult) -> None:
        say(result.line())

    metrics = CheckMetrics()
    listening = await serve_metrics(reactor, options.metrics, metrics)
    say(f"metrics at {listening.getHost()}")
    await watch(reactor, job, options.watch, metrics, seconds, tell)
