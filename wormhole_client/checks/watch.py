"""
The watch of a server: repeats the check and serves its results as Prometheus metrics.

Owns the metrics, their listener and the interval.
"""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import Site

from wormhole_client.checks.check import Check, CheckReport, StepResult


class CheckMetrics:
    """The metrics of repeated checks. The label `step` is the name of a step of the check."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ok = "Whether the step worked the last time it was tried"
        self._ok = Gauge("wormhole_check_step_ok", ok, ["step"], registry=registry)
        seconds = "How long the step took the last time it was tried"
        self._seconds = Gauge("wormhole_check_step_seconds", seconds, ["step"], registry=registry)
        speed, name = (
            "Throughput of one pair through the relay",
            "wormhole_check_relay_bytes_per_second",
        )
        self._speed = Gauge(name, speed, ["step"], registry=registry)
        runs = "Checks by their result"
        self._runs = Counter("wormhole_check_runs", runs, ["result"], registry=registry)
        last, name = "When the last check ended", "wormhole_check_last_run_timestamp_seconds"
        self._last = Gauge(name, last, registry=registry)

    def record(self, report: CheckReport, ended: float) -> None:
        """
        Take over the results of a check. A step that was skipped counts as one that failed.

        :param ended: when the check ended, in seconds since the epoch.
        """
        for result in report.results:
            self._ok.labels(result.step).set(1 if result.ok else 0)
            if result.ok is not None:
                self._seconds.labels(result.step).set(result.seconds)
            if result.bytes_per_second is not None:
                self._speed.labels(result.step).set(result.bytes_per_second)
        self._runs.labels("ok" if report.ok else "failed").inc()
        self._last.set(ended)


class CheckMetricsPage(Resource):
    """The page `/metrics`."""

    isLeaf = True

    def __init__(self, metrics: CheckMetrics) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted
        self._metrics = metrics

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", CONTENT_TYPE_LATEST.encode("ascii"))
        return generate_latest(self._metrics.registry)


async def serve_metrics(reactor: Any, endpoint: str, metrics: CheckMetrics) -> Any:
    """
    Serve the metrics at `/metrics`.

    :param endpoint: a Twisted endpoint string.
    :return: the listening port.
    """
    untyped: Any = Resource
    root = untyped()
    root.putChild(b"metrics", CheckMetricsPage(metrics))
    make_site: Any = Site
    parse: Any = serverFromString
    return await parse(reactor, endpoint).listen(make_site(root))


async def watch(
    reactor: Any,
    check: Check,
    interval: float,
    metrics: CheckMetrics,
    day: Callable[[], float],
    failed: Callable[[StepResult], object],
) -> None:
    """
    Run the check repeatedly, until cancelled.

    :param interval: seconds from the start of one check to the start of the next.
    :param day: the time of day, in seconds since the epoch.
    :param failed: is called with the result of each step that failed.
    """
    while True:
        began = reactor.seconds()
        report = await check.run()
        metrics.record(report, day())
        for result in report.results:
            if result.ok is False:
                failed(result)
        await deferLater(reactor, max(0.0, interval - (reactor.seconds() - began)))
