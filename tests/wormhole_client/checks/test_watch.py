"""Tests of the watch: its metrics, their page and its interval."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from tests.wormhole_client.checks.test_check import RELAY, broken, fine
from wormhole_client.checks.check import Check, CheckReport, CheckStep, StepResult
from wormhole_client.checks.watch import CheckMetrics, CheckMetricsPage, serve_metrics, watch


def page(metrics: CheckMetrics) -> str:
    return CheckMetricsPage(metrics).render_GET(DummyRequest([b"metrics"])).decode()


class CheckMetricsTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """A step that was skipped is not ok, and keeps the time of its last try."""
        metrics = CheckMetrics()
        speedy = StepResult("r", True, 1, "", "", 100.0)
        metrics.record(CheckReport([StepResult("a", True, 0.5), speedy]), 10.0)
        metrics.record(CheckReport([StepResult("a", None), StepResult("r", False, 2.0)]), 20.0)
        for line in (
            'wormhole_check_step_ok{step="a"} 0.0',
            'wormhole_check_step_ok{step="r"} 0.0',
            'wormhole_check_step_seconds{step="a"} 0.5',
            'wormhole_check_step_seconds{step="r"} 2.0',
            'wormhole_check_relay_bytes_per_second{step="r"} 100.0',
            'wormhole_check_runs_total{result="ok"} 1.0',
            'wormhole_check_runs_total{result="failed"} 1.0',
            "wormhole_check_last_run_timestamp_seconds 20.0",
        ):
            with self.subTest(line=line):
                self.assertIn(line, page(metrics))


class ServeTests(SynchronousTestCase):
    def test_served(self) -> None:
        """The metrics are at /metrics, in the type that Prometheus expects, and nothing else is."""
        reactor: Any = MemoryReactorClock()
        metrics = CheckMetrics()
        serving = Deferred.fromCoroutine(serve_metrics(reactor, "tcp:9401", metrics))
        self.successResultOf(serving)
        [(port, site, *_)] = reactor.tcpServers
        self.assertEqual(port, 9401)
        resource: Any = site
        served = resource.resource.getChildWithDefault(b"metrics", DummyRequest([b"metrics"]))
        request = DummyRequest([b"metrics"])
        self.assertIn(b"wormhole_check_runs", served.render(request))
        content_types = request.responseHeaders.getRawHeaders("content-type", [])
        self.assertTrue(content_types[0].startswith("text/plain"))
        self.assertEqual(resource.resource.listNames(), [b"metrics"])


class WatchTests(SynchronousTestCase):
    def test_repeated(self) -> None:
        """The check runs at each interval, and steps that failed are reported, until it is cancelled."""
        clock = Clock()
        check = Check(clock, "ws://x/v1", RELAY, None, 1, 0, clock.seconds)
        check.steps = [CheckStep("a", fine), CheckStep("b", broken)]
        metrics, failed = CheckMetrics(), list[StepResult]()
        running = Deferred.fromCoroutine(
            watch(clock, check, 60, metrics, lambda: 1000.0 + clock.seconds(), failed.append)
        )
        self.assertEqual([each.step for each in failed], ["b"])
        clock.advance(59)
        self.assertEqual(len(failed), 1)
        clock.advance(1)
        self.assertEqual(len(failed), 2)
        self.assertIn("wormhole_check_last_run_timestamp_seconds 1060.0", page(metrics))
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """The interval is counted from the start of a check; a slow check is followed at once."""
        clock = Clock()
        waiting: list[Deferred[None]] = []

        async def slow() -> tuple[str, float | None]:
            waiting.append(Deferred())
            await waiting[-1]
            return "", None

        check = Check(clock, "ws://x/v1", RELAY, None, 1, 0, clock.seconds)
        check.steps = [CheckStep("a", slow)]
        Deferred.fromCoroutine(watch(clock, check, 20, CheckMetrics(), clock.seconds, print))
        clock.advance(15)
        waiting[0].callback(None)
        clock.advance(5)
        self.assertEqual(len(waiting), 2)
        clock.advance(25)
        waiting[1].callback(None)
        clock.advance(0)
        self.assertEqual(len(waiting), 3)
