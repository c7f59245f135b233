"""
`wormhole-client check`: runs the probes one after the other, skips what cannot work any more, and
reports a line per step, or JSON. Owns the order of the steps and their time limit.
"""

import argparse
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from wormhole_client import probes
from wormhole_client.diagnosis import advice
from wormhole_client.hints import RelayHint
from wormhole_client.network import Internet, WebSocketAddress
from wormhole_client.probes import Probe
from wormhole_client.relay_probe import relay

STEP_SECONDS: Final = 30.0  # more than every wait within a step
RELAY_SECONDS: Final = 300.0  # for the bytes; a relay that does not pair is noticed before


@attrs.frozen
class Result:
    """What came of one step. `ok` is None for a step that was not tried."""

    step: str
    ok: bool | None
    seconds: float = 0.0
    detail: str = ""
    advice: str = ""
    bytes_per_second: float | None = None

    def line(self) -> str:
        mark = {True: "✔", False: "✘", None: "–"}[self.ok]
        time = f" ({self.seconds * 1000:.0f} ms)" if self.ok else ""
        detail = f": {self.detail}" if self.detail else ""
        hint = f"\n    look at this: {self.advice}" if self.advice else ""
        return f"{mark} {self.step}{time}{detail}{hint}"


@attrs.frozen
class Report:
    """What came of all."""

    results: list[Result]

    @property
    def ok(self) -> bool:
        return all(result.ok is not False for result in self.results)

    def to_json(self) -> str:
        steps = [attrs.asdict(result) for result in self.results]
        return json.dumps({"ok": self.ok, "steps": steps}, ensure_ascii=False, indent=2)


@attrs.frozen
class _Step:
    name: str
    work: Callable[[], Coroutine[Deferred[Any], Any, tuple[str, float | None]]]
    after: str | None = None
    """The step without which this one makes no sense."""
    seconds: float = STEP_SECONDS


@attrs.define
class Check:
    """A check that may be run again and again."""

    reactor: Any
    relay_url: str
    transit: RelayHint
    transit_websocket: RelayHint | None
    size: int
    told: Callable[[Result], object] = lambda _: None
    _steps: list[_Step] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        probe = Probe(self.reactor, Internet(self.reactor), self.relay_url)
        secure = WebSocketAddress.parse(self.relay_url).secure
        steps = [
            _plain("name", probes.resolve, probe),
            _plain("TCP", probes.tcp, probe, "name"),
            *([_plain("TLS", probes.tls, probe, "TCP")] if secure else []),
            _plain("WebSocket and welcome", probes.welcome, probe, "TLS" if secure else "TCP"),
            _plain("exchange", probes.exchange, probe, "WebSocket and welcome"),
            _plain("reconnect in mid-exchange", probes.reconnect, probe, "exchange"),
            self._relay("relay over TCP", probe, self.transit, self.transit),
        ]
        web = self.transit_websocket
        if web is not None:
            steps.append(self._relay("relay over WebSocket", probe, web, web))
            both = self._relay("relay, TCP to WebSocket", probe, self.transit, web)
            steps.append(attrs.evolve(both, after="relay over TCP"))
        self._steps = steps

    async def run(self) -> Report:
        results: dict[str, Result] = {}
        for step in self._steps:
            before = results.get(step.after) if step.after else None
            if before is not None and not before.ok:
                result = Result(step.name, None, detail=f"needs {before.step}")
            else:
                result = await self._try(step)
            results[step.name] = result
            self.told(result)
        return Report(list(results.values()))

    async def _try(self, step: _Step) -> Result:
        began = self.reactor.seconds()
        work = Deferred.fromCoroutine(step.work())
        work.addTimeout(step.seconds, self.reactor)
        try:
            detail, speed = await work
        except DeferredTimeout as error:
            detail = f"not done within {step.seconds:.0f} seconds"
            return Result(step.name, False, step.seconds, detail, advice(error))
        except Exception as error:  # a step may fail in any way; that is what it is for
            seconds = self.reactor.seconds() - began
            detail = str(error) or type(error).__name__
            return Result(step.name, False, seconds, detail, advice(error))
        return Result(step.name, True, self.reactor.seconds() - began, detail, "", speed)

    def _relay(self, name: str, probe: Probe, first: RelayHint, second: RelayHint) -> _Step:
        async def work() -> tuple[str, float]:
            seconds, speed = await relay(probe, first, second, self.size)
            return f"paired in {seconds * 1000:.0f} ms, {speed / 2**20:.1f} MiB/s", speed

        return _Step(name, work, seconds=RELAY_SECONDS)


def _plain(
    name: str, work: Callable[[Probe], Awaitable[str]], probe: Probe, after: str | None = None
) -> _Step:
    async def run() -> tuple[str, None]:
        return await work(probe), None

    return _Step(name, run, after)


async def check(reactor: Any, options: argparse.Namespace) -> None:
    """
    Run one check and print it.

    :raises SystemExit: something does not work.
    """
    job = Check(
        reactor,
        options.relay_url,
        options.transit_helper,
        options.transit_websocket,
        options.size,
    )
    if options.watch is not None:
        from wormhole_client.watch import watch  # noqa: PLC0415 - only it needs prometheus

        await watch(reactor, job, options.watch, options.metrics)
    if not options.json:
        job.told = lambda result: print(result.line(), flush=True)
    report = await job.run()
    if options.json:
        print(report.to_json())
    if not report.ok:
        raise SystemExit(1)
