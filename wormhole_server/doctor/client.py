"""
The client check: two clients meet through the public addresses and send data, as `wormhole-client check`.

Owns how the steps of that check become findings. Needs the client's extra, and reports if it is missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.target import Target

if TYPE_CHECKING:
    from wormhole_client.checks.check import StepResult

# The libraries of the extra that the check imports.
_EXTRA = ("nacl", "spake2")
# Bytes. Enough to see that data passes; `wormhole-client check` measures the throughput.
_SIZE = 1 << 20


async def check_client(
    target: Target,
    reactor: Any,
    is_missing: Callable[[str], bool] = lambda name: find_spec(name) is None,
) -> AsyncIterator[Finding]:
    """
    Let two clients meet.

    :param is_missing: returns whether a module is not installed.
    """
    # The relay over WebSocket is a relay too.
    helper = target.transit_helper or target.transit_websocket
    if target.relay_url is None or helper is None:
        yield warning(
            "clients",
            "skipped: the configuration does not say where clients reach the servers",
            "give --relay-url=URL and --transit-helper=tcp:HOST:PORT",
        )
        return
    if any(map(is_missing, _EXTRA)):
        yield warning(
            "clients",
            "skipped: the client extra is not installed here",
            "run pip install '.[client]' in the checkout, or run wormhole-client check on another machine",
        )
        return
    from wormhole_client.checks.check import Check  # noqa: PLC0415 - needs the extra
    from wormhole_client.transit.hints import parse_helper  # noqa: PLC0415 - needs the extra

    websocket = target.transit_websocket
    try:
        check = Check(
            reactor,
            target.relay_url,
            parse_helper(helper),
            None if websocket is None else parse_helper(websocket),
            _SIZE,
            idle=0,  # the doctor does not wait half a minute
            day=target.now,
        )
    except ValueError as error:
        yield failure(
            "clients", str(error), "correct --relay-url, --transit-helper or --transit-websocket"
        )
        return
    report = await check.run()
    for result in report.results:
        yield finding_of(result)


def finding_of(result: StepResult) -> Finding:
    """Convert the result of a step."""
    name = f"client, {result.step}"
    if result.ok:
        return ok(name, result.detail or "works")
    if result.ok is None:
        return warning(name, f"skipped: {result.detail}", "fix the failed check above first")
    return failure(name, result.detail, result.advice)
