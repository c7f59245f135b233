"""Tests of the check: its order, its time limits and its report."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError, DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork, FakeRelay, text_frame, upgrade
from wormhole_client.checks import check
from wormhole_client.checks.check import STEP_SECONDS, Check, CheckReport, CheckStep, StepResult
from wormhole_client.transit.hints import parse_helper

RELAY = parse_helper("tcp:relay:4001")
Work = Callable[[], Coroutine[Deferred[Any], Any, tuple[str, float | None]]]


async def fine() -> tuple[str, float | None]:
    return "as it should be", 5.0


async def broken() -> tuple[str, float | None]:
    raise DNSLookupError("no such name")


async def silent() -> tuple[str, float | None]:
    await Deferred()
    return "", None


async def dialing() -> tuple[str, float | None]:
    def cancel(connecting: Deferred[None]) -> None:
        connecting.errback(ConnectingCancelledError(None))  # as Twisted's endpoints do

    await Deferred[None](cancel)
    return "", None


class CheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []

    def check(self, *steps: CheckStep) -> Deferred[CheckReport]:
        job = Check(
            self.clock,
            "ws://x/v1",
            RELAY,
            None,
            1,
            0,
            self.clock.seconds,
            lambda result: self.told.append(result.step),
        )
        job.steps = list(steps)
        return Deferred.fromCoroutine(job.run())

    def test_steps(self) -> None:
        """Plain servers have no TLS step; a WebSocket relay has two of its own; the slow one is last."""

        def names(url: str, web: str | None) -> list[str]:
            way = parse_helper(web) if web else None
            return [
                step.name
                for step in Check(self.clock, url, RELAY, way, 1, 30, self.clock.seconds).steps
            ]

        plain = names("ws://x/v1", None)
        self.assertEqual(plain[:3], ["name", "TCP", "WebSocket and welcome"])
        self.assertIn("web page", plain)
        full = names("wss://x/v1", "wss://x/transit")
        self.assertEqual(full[:4], ["name", "TCP", "TLS", "WebSocket and welcome"])
        self.assertEqual(full[-4:-2], ["relay over WebSocket", "relay, TCP to WebSocket"])
        for steps in (full, plain):
            self.assertEqual(steps[-2:], ["idle connection", "idle pair at the relay"])

    def test_skipped(self) -> None:
        """What needs a step that failed, or was skipped, is skipped; the rest is tried."""
        report = self.successResultOf(
            self.check(
                CheckStep("a", fine),
                CheckStep("b", broken, "a"),
                CheckStep("c", fine, "b"),
                CheckStep("d", fine, "c"),
                CheckStep("e", fine),
            )
        )
        self.assertEqual([each.ok for each in report.results], [True, False, None, None, True])
        self.assertFalse(report.ok)
        self.assertEqual(self.told, ["a", "b", "c", "d", "e"])
        self.assertIn("DNS", report.results[1].advice)

    def test_waiting_steps(self) -> None:
        """Steps that only wait begin at the same time; what one of them needs is asked before."""
        begun: list[str] = []

        def waiting(name: str) -> Work:
            async def wait() -> tuple[str, float | None]:
                begun.append(name)
                await Deferred()
                return "", None

            return wait

        running = self.check(
            CheckStep("a", broken),
            CheckStep("b", waiting("b"), waits=True),
            CheckStep("c", waiting("c"), "a", waits=True),
            CheckStep("d", waiting("d"), waits=True),
        )
        self.assertEqual((begun, self.told), (["b", "d"], ["a", "c"]))
        self.clock.advance(STEP_SECONDS)
        report = self.successResultOf(running)
        self.assertEqual([each.step for each in report.results], ["a", "b", "c", "d"])
        self.assertEqual([each.ok for each in report.results], [False, False, None, False])

    def test_waiting_steps_cancelled(self) -> None:
        """A check that is cancelled meanwhile ends all of them, with the cancellation."""
        running = self.check(
            CheckStep("a", dialing, waits=True), CheckStep("b", silent, waits=True)
        )
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual((self.told, self.clock.getDelayedCalls()), ([], []))

    def test_second_look(self) -> None:
        """A step that can look again gives the advice that this finds; else the error's own."""
        for found in ("use wss://", None):
            with self.subTest(found=found):

                async def look_again(_: BaseException, found: str | None = found) -> str | None:
                    return found

                step = CheckStep("a", broken, look_again=look_again)
                [result] = self.successResultOf(self.check(step)).results
                self.assertIn(found or "DNS", result.advice)

    def test_too_long(self) -> None:
        """A step that never ends is ended."""
        running = self.check(CheckStep("a", silent))
        self.clock.advance(STEP_SECONDS)
        [result] = self.successResultOf(running).results
        self.assertFalse(result.ok)
        self.assertIn("30 seconds", result.detail)

    def test_cancelled(self) -> None:
        """A check that is cancelled in a step ends; the step is not reported, and no other is tried."""
        running = self.check(CheckStep("a", fine), CheckStep("b", dialing), CheckStep("c", fine))
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(self.told, ["a"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_long_to_connect(self) -> None:
        """A step whose connection is cancelled by the time limit is one that took too long."""
        running = self.check(CheckStep("a", dialing))
        self.clock.advance(STEP_SECONDS)
        self.assertIn("30 seconds", self.successResultOf(running).results[0].detail)

    def test_lines(self) -> None:
        """A tick with the time, a cross with what to look at, a dash with what it needs."""
        self.assertEqual(StepResult("a", True, 0.0123, "x").line(), "✔ a (12 ms): x")
        self.assertEqual(
            StepResult("a", False, 1.0, "x", "the DNS").line(), "✘ a: x\n    advice: the DNS"
        )
        self.assertEqual(StepResult("a", None, detail="needs b").line(), "– a: needs b")

    def test_json(self) -> None:
        """The report as JSON."""
        said = json.loads(CheckReport([StepResult("a", True), StepResult("b", None)]).to_json())
        self.assertEqual((said["ok"], said["steps"][1]["ok"]), (True, None))


class StepTests(SynchronousTestCase):
    """The steps themselves, on a network in memory."""

    def setUp(self) -> None:
        self.clock, self.network = Clock(), FakeNetwork()
        self.patch(check, "Internet", lambda _: self.network)
        self.job = Check(self.clock, "ws://x/v1", RELAY, None, 1000, 20, self.clock.seconds)

    def run_step(self, name: str) -> Deferred[CheckReport]:
        [step] = [each for each in self.job.steps if each.name == name]
        self.job.steps = [evolve(step, needs=None)]
        return Deferred.fromCoroutine(self.job.run())

    def welcome(self, welcome: str) -> StepResult:
        running = self.run_step("WebSocket and welcome")
        upgrade(self.network.dialed[-1], f'{{"type":"welcome","welcome":{welcome}}}'.encode())
        [result] = self.successResultOf(running).results
        return result

    def test_welcome(self) -> None:
        """What the server says to its clients is shown; a refusal fails the step."""
        result = self.welcome('{"motd":"hi","your-address":{"ipv4":"1.2.3.4"}}')
        self.assertEqual((result.ok, result.detail), (True, "motd 'hi', seen as 1.2.3.4"))
        self.setUp()
        required = '{"permission-required":{"hashcash":{"bits":20,"resource":"r"}}}'
        self.assertIn("requires a hashcash stamp of 20 bits", self.welcome(required).detail)
        self.setUp()
        result = self.welcome('{"error":"closed"}')
        self.assertEqual((result.ok, result.detail), (False, "closed"))
        self.assertIn("--signal-error", result.advice)

    def test_idle(self) -> None:
        """The idle step says how long the connection kept still."""
        running = self.run_step("idle connection")
        upgrade(self.network.dialed[-1])
        self.clock.advance(20)
        self.network.dialed[-1].protocol.dataReceived(text_frame(b'{"type":"pong"}'))
        [result] = self.successResultOf(running).results
        self.assertEqual((result.ok, result.detail), (True, "lived through 20 s of silence"))

    def test_idle_pair(self) -> None:
        """So does the idle step of the relay."""
        running = self.run_step("idle pair at the relay")
        relay = FakeRelay(*self.network.dialed)
        relay.run()
        self.clock.advance(20)
        relay.run()
        [result] = self.successResultOf(running).results
        self.assertEqual((result.ok, result.detail), (True, "lived through 20 s of silence"))

    def test_relay(self) -> None:
        """The relay step has the time to pair, and the speed."""
        running = self.run_step("relay over TCP")
        relay = FakeRelay(*self.network.dialed)
        self.clock.advance(0)
        relay.run()
        [result] = self.successResultOf(running).results
        self.assertIn("paired in 0 ms", result.detail)
        self.assertGreater(result.bytes_per_second or 0, 0)

    def test_stalled(self) -> None:
        """A relay that joins the clients, and then keeps their bytes, is said to lose them."""
        running = self.run_step("relay over TCP")
        relay = FakeRelay(*self.network.dialed)
        for source, target in ((0, 1), (1, 0), (0, 1)):  # the handshakes, and the decision
            relay._pass(source, target)
        self.clock.advance(check.RELAY_SECONDS)
        [result] = self.successResultOf(running).results
        self.assertFalse(result.ok)
        self.assertIn("changes or loses bytes", result.advice)
