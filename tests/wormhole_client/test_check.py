"""The check's order, its report and a canary's figures."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from prometheus_client.exposition import generate_latest
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.check import STEP_SECONDS, Check, Report, Result, _Step
from wormhole_client.hints import parse_helper
from wormhole_client.watch import Figures

RELAY = parse_helper("tcp:relay:4001")
Work = Callable[[], Coroutine[Deferred[Any], Any, tuple[str, float | None]]]


async def fine() -> tuple[str, float | None]:
    return "as it should be", 5.0


async def broken() -> tuple[str, float | None]:
    raise DNSLookupError("no such name")


async def silent() -> tuple[str, float | None]:
    await Deferred()
    return "", None


class CheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []

    def check(self, *steps: _Step) -> Deferred[Report]:
        job = Check(
            self.clock, "ws://x/v1", RELAY, None, 1, lambda result: self.told.append(result.step)
        )
        job._steps = list(steps)
        return Deferred.fromCoroutine(job.run())

    def test_steps(self) -> None:
        """Plain servers have no TLS step; a WebSocket relay has two of its own."""

        def names(url: str, web: str | None) -> list[str]:
            way = parse_helper(web) if web else None
            return [step.name for step in Check(self.clock, url, RELAY, way, 1)._steps]

        plain = names("ws://x/v1", None)
        self.assertEqual(plain[:3], ["name", "TCP", "WebSocket and welcome"])
        full = names("wss://x/v1", "wss://x/transit")
        self.assertEqual(full[:4], ["name", "TCP", "TLS", "WebSocket and welcome"])
        self.assertEqual(full[-2:], ["relay over WebSocket", "relay, TCP to WebSocket"])

    def test_skipped(self) -> None:
        """What needs a step that failed, or was skipped, is skipped; the rest is tried."""
        report = self.successResultOf(
            self.check(
                _Step("a", fine),
                _Step("b", broken, "a"),
                _Step("c", fine, "b"),
                _Step("d", fine, "c"),
                _Step("e", fine),
            )
        )
        self.assertEqual([each.ok for each in report.results], [True, False, None, None, True])
        self.assertFalse(report.ok)
        self.assertEqual(self.told, ["a", "b", "c", "d", "e"])
        self.assertIn("DNS", report.results[1].advice)

    def test_too_long(self) -> None:
        """A step that never ends is ended."""
        running = self.check(_Step("a", silent))
        self.clock.advance(STEP_SECONDS)
        [result] = self.successResultOf(running).results
        self.assertFalse(result.ok)
        self.assertIn("30 seconds", result.detail)

    def test_lines(self) -> None:
        """A tick with the time, a cross with what to look at, a dash with what it needs."""
        self.assertEqual(Result("a", True, 0.0123, "x").line(), "✔ a (12 ms): x")
        self.assertEqual(
            Result("a", False, 1.0, "x", "the DNS").line(), "✘ a: x\n    look at this: the DNS"
        )
        self.assertEqual(Result("a", None, detail="needs b").line(), "– a: needs b")

    def test_json(self) -> None:
        """The report as JSON."""
        said = json.loads(Report([Result("a", True), Result("b", None)]).to_json())
        self.assertEqual((said["ok"], said["steps"][1]["ok"]), (True, None))


class FiguresTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """A step that was skipped is not ok, and keeps the time of its last try."""
        figures = Figures()
        figures.record(Report([Result("a", True, 0.5), Result("r", True, 1, "", "", 100.0)]), 10.0)
        figures.record(Report([Result("a", None), Result("r", False, 2.0)]), 20.0)
        page = generate_latest(figures.registry).decode()
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
                self.assertIn(line, page)
