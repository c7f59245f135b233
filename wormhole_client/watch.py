"""
`wormhole-client check --watch`: a canary. Repeats the check and serves what came of it as
Prometheus metrics. Owns the listener and the interval.
"""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import Site

from wormhole_client.check import Check, Report
from wormhole_client.terminal import say


class Figures:
    """The metrics of a canary; the label `step` is the name of a step of the check."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._ok = Gauge(
            "wormhole_check_step_ok",
            "Whether the step worked the last time it was tried",
            ["step"],
            registry=self.registry,
        )
        self._seconds = Gauge(
            "wormhole_check_step_seconds",
            "How long the step took the last time it was tried",
            ["step"],
            registry=self.registry,
        )
        self._speed = Gauge(
            "wormhole_check_relay_bytes_per_second",
            "Throughput of one pair through the relay",
            ["step"],
            registry=self.registry,
        )
        self._runs = Counter(
            "wormhole_check_runs", "Checks by what came of them", ["result"], registry=self.registry
        )
        self._last = Gauge(
            "wormhole_check_last_run_timestamp_seconds",
            "When the last check ended",
            registry=self.registry,
        )

    def record(self, report: Report, now: float) -> None:
        """Take over one report. A step that was not tried counts as one that does not work."""
        for result in report.results:
            self._ok.labels(result.step).set(1 if result.ok else 0)
            if result.ok is not None:
                self._seconds.labels(result.step).set(result.seconds)
            if result.bytes_per_second is not None:
                self._speed.labels(result.step).set(result.bytes_per_second)
        self._runs.labels("ok" if report.ok else "failed").inc()
        self._last.set(now)


class MetricsPage(Resource):
    """`/metrics`."""

    isLeaf = True

    def __init__(self, figures: Figures) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted
        self._figures = figures

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", CONTENT_TYPE_LATEST.encode("ascii"))
        return generate_latest(self._figures.registry)


def site(figures: Figures) -> Site:
    """The web site that a canary serves."""
    root: Any = Resource
    page: Any = Site
    top = root()
    top.putChild(b"metrics", MetricsPage(figures))
    served: Site = page(top)
    return served


async def watch(reactor: Any, job: Check, interval: float, metrics: str) -> None:
    """Check every `interval` seconds, for ever, and serve the figures at the endpoint `metrics`."""
    figures = Figures()
    endpoint: Any = serverFromString
    listening = await endpoint(reactor, metrics).listen(site(figures))
    say(f"metrics at {listening.getHost()}")
    while True:
        began = reactor.seconds()
        report = await job.run()
        figures.record(report, reactor.seconds())
        failed = [result for result in report.results if result.ok is False]
        for result in failed:
            say(result.line())
        await deferLater(reactor, max(0.0, interval - (reactor.seconds() - began)))
