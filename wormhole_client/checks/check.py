"""
The check: runs the probes of a server one after the other, those that only wait at the same time, and
reports what came of each.

Owns the order of the steps, their time limits, and which steps are skipped after a failure.
"""

import json
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any, Final, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from wormhole_client.cancellation import until_done
from wormhole_client.checks.connection_probes import (
    ProbeTarget,
    ServerGreeting,
    connect_tcp,
    read_welcome,
    resolve_host,
    verify_certificate,
)
from wormhole_client.checks.diagnosis import CHANGED, advice
from wormhole_client.checks.exchange_probes import exchange_messages, reconnect_in_exchange
from wormhole_client.checks.idle_probe import keep_pair_still, keep_still
from wormhole_client.checks.page_probe import installed_client, read_page
from wormhole_client.checks.relay_probe import RelayFigures, connect_through_relay, gather
from wormhole_client.checks.second_look import look_again
from wormhole_client.errors import WelcomeError
from wormhole_client.network.endpoints import Internet, WebSocketAddress
from wormhole_client.transit.hints import RelayHint

STEP_SECONDS: Final = 30.0  # more than every time limit within a step
PAGE_SECONDS: Final = 120.0  # for twenty requests, each on a connection of its own
RELAY_SECONDS: Final = 300.0  # for the bytes; a relay that does not pair fails long before

T = TypeVar("T")


@attrs.frozen
class StepResult:
    """
    What came of one step.

    :ivar ok: None for a step that was skipped.
    :ivar seconds: how long it took.
    :ivar advice: for the operator, after a failure.
    :ivar bytes_per_second: of one pair through the relay; None for other steps.
    """

    step: str
    ok: bool | None
    seconds: float = 0.0
    detail: str = ""
    advice: str = ""
    bytes_per_second: float | None = None

    def line(self) -> str:
        """Describe the result in a line, and the advice in a second one."""
        mark = {True: "✔", False: "✘", None: "–"}[self.ok]
        time = f" ({self.seconds * 1000:.0f} ms)" if self.ok else ""
        detail = f": {self.detail}" if self.detail else ""
        hint = f"\n    advice: {self.advice}" if self.advice else ""
        return f"{mark} {self.step}{time}{detail}{hint}"


@attrs.frozen
class CheckReport:
    """The results of one check, in the order of its steps."""

    results: list[StepResult]

    @property
    def ok(self) -> bool:
        """Whether no step has failed."""
        return all(result.ok is not False for result in self.results)

    def to_json(self) -> str:
        """Give the report as JSON: `ok`, and `steps` with the fields of `StepResult`."""
        steps = [attrs.asdict(result) for result in self.results]
        return json.dumps({"ok": self.ok, "steps": steps}, ensure_ascii=False, indent=2)


@attrs.frozen
class CheckStep:
    """
    One step.

    :ivar run: returns a detail for the report, and bytes per second where it measures them.
    :ivar needs: the step that has to succeed before this one is tried.
    :ivar seconds: after which it is cancelled.
    :ivar waits: it only waits, and is run at the same time as others beside it that do.
    :ivar look_again: finds advice on an error, where the error alone does not say enough.
    """

    name: str
    run: Callable[[], Awaitable[tuple[str, float | None]]]
    needs: str | None = None
    seconds: float = STEP_SECONDS
    waits: bool = False
    look_again: Callable[[BaseException], Awaitable[str | None]] | None = None


@attrs.define
class Check:
    """
    A check of one server, which may be run repeatedly.

    :ivar transit: the relay over TCP.
    :ivar transit_websocket: the relay over WebSocket; None leaves its steps out.
    :ivar size: bytes that go through the relay in each of its steps.
    :ivar idle: seconds that the idle connections keep still; 0 leaves these steps out.
    :ivar day: the time of day, in seconds since the epoch.
    :ivar on_result: is called with each result as soon as there is one.
    """

    reactor: Any
    relay_url: str
    transit: RelayHint
    transit_websocket: RelayHint | None
    size: int
    idle: float
    day: Callable[[], float]
    on_result: Callable[[StepResult], object] = lambda _: None
    steps: list[CheckStep] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        target = ProbeTarget(self.reactor, Internet(self.reactor), self.relay_url)
        secure = WebSocketAddress.parse(self.relay_url).secure
        self.steps = [
            _step("name", resolve_host, target, describe=", ".join),
            _step("TCP", connect_tcp, target, "name"),
            *(
                [self._look_again(_step("TLS", verify_certificate, target, "TCP"), target)]
                if secure
                else []
            ),
            self._look_again(
                _step("WebSocket and welcome", _welcome, target, "TLS" if secure else "TCP", str),
                target,
            ),
            _step("exchange", exchange_messages, target, "WebSocket and welcome"),
            _step("reconnect in mid-exchange", reconnect_in_exchange, target, "exchange"),
            attrs.evolve(
                _step("web page", _page, target, "WebSocket and welcome", str), seconds=PAGE_SECONDS
            ),
            self._relay_step("relay over TCP", target, self.transit, self.transit),
        ]
        web = self.transit_websocket
        if web is not None:
            self.steps.append(self._relay_step("relay over WebSocket", target, web, web))
            both = self._relay_step("relay, TCP to WebSocket", target, self.transit, web)
            self.steps.append(attrs.evolve(both, needs="relay over TCP"))
        if self.idle:
            self.steps += [
                self._idle_step(
                    "idle connection",
                    lambda: keep_still(target, self.idle),
                    "WebSocket and welcome",
                ),
                self._idle_step(
                    "idle pair at the relay",
                    lambda: keep_pair_still(target, self.transit, self.idle),
                    "relay over TCP",
                ),
            ]

    async def run(self) -> CheckReport:
        """Run all steps; skip those that need a step which did not succeed."""
        results: dict[str, StepResult] = {}
        for waits, steps in groupby(self.steps, lambda step: step.waits):
            if waits:
                await gather(
                    [Deferred.fromCoroutine(self._run_step(step, results)) for step in steps]
                )
            else:
                for step in steps:
                    await self._run_step(step, results)
        return CheckReport([results[step.name] for step in self.steps])

    async def _run_step(self, step: CheckStep, results: dict[str, StepResult]) -> None:
        needed = results.get(step.needs) if step.needs else None
        if needed is not None and not needed.ok:
            result = StepResult(step.name, None, detail=f"needs {needed.step}")
        else:
            result = await self._try(step)
        results[step.name] = result
        self.on_result(result)

    async def _try(self, step: CheckStep) -> StepResult:
        async def run() -> tuple[str, float | None]:
            return await step.run()

        began = self.reactor.seconds()
        work = Deferred.fromCoroutine(until_done(run())).addTimeout(step.seconds, self.reactor)
        try:
            detail, speed = await work
        except CancelledError:
            raise
        except Exception as error:  # a step may fail in any way
            seconds = self.reactor.seconds() - began
            detail = str(error) or type(error).__name__
            if isinstance(error, DeferredTimeout):
                detail = f"not done within {step.seconds:.0f} seconds"
            found = await step.look_again(error) if step.look_again is not None else None
            return StepResult(step.name, False, seconds, detail, found or advice(error))
        return StepResult(step.name, True, self.reactor.seconds() - began, detail, "", speed)

    def _look_again(self, step: CheckStep, target: ProbeTarget) -> CheckStep:
        return attrs.evolve(step, look_again=lambda error: look_again(target, error, self.day))

    def _idle_step(self, name: str, probe: Callable[[], Awaitable[None]], needs: str) -> CheckStep:
        async def run() -> tuple[str, None]:
            await probe()
            return f"lived through {self.idle:.0f} s of silence", None

        return CheckStep(name, run, needs, STEP_SECONDS + self.idle, waits=True)

    def _relay_step(
        self, name: str, target: ProbeTarget, first: RelayHint, second: RelayHint
    ) -> CheckStep:
        async def run() -> tuple[str, float]:
            figures: RelayFigures = await connect_through_relay(target, first, second, self.size)
            speed = figures.bytes_per_second
            paired = f"paired in {figures.seconds_to_pair * 1000:.0f} ms"
            return f"{paired}, {speed / 2**20:.1f} MiB/s", speed

        return CheckStep(name, run, seconds=RELAY_SECONDS, look_again=_stalled)


def _step(
    name: str,
    probe: Callable[[ProbeTarget], Awaitable[T]],
    target: ProbeTarget,
    needs: str | None = None,
    describe: Callable[[T], str] = lambda _: "",
) -> CheckStep:
    async def run() -> tuple[str, None]:
        return describe(await probe(target)), None

    return CheckStep(name, run, needs)


async def _page(target: ProbeTarget) -> str:
    return await read_page(target, installed_client())


async def _stalled(error: BaseException) -> str | None:
    return CHANGED if isinstance(error, DeferredTimeout) else None  # the clients had been joined


async def _welcome(target: ProbeTarget) -> str:
    greeting = await read_welcome(target)
    refusal = greeting.message.refusal()
    if refusal is not None:
        raise WelcomeError(refusal)
    return describe_greeting(greeting)


def describe_greeting(greeting: ServerGreeting) -> str:
    """Describe what the server says to its clients, in a line without control characters."""
    motd, version = greeting.welcome.get("motd"), greeting.welcome.get("current_cli_version")
    address = greeting.client_address
    stamp = greeting.message.stamp()
    parts = [
        f"motd {motd!r}" if motd else "no motd",
        f"client version {version}" if version else "",
        f"seen as {ascii(address)[1:-1]}" if address else "",
        f"requires a hashcash stamp of {stamp.bits} bits" if stamp else "",
    ]
    return ", ".join(part for part in parts if part)
