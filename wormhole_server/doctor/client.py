"""
The proof: two clients meet through the public addresses, and send each other something.

Owns how `wormhole-client check` is run and read. It is another program, in a process of its own: what it
needs is an extra that a server does without.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, failure, ok, warning

# What the client cannot do without, and a server can.
_NEEDED = ("nacl", "spake2", "tqdm")
# Enough to see that bytes pass; how fast is for `wormhole-client check` itself.
_BYTES = 1 << 20
# More than its own time limits together.
_SECONDS = 900.0


def client(
    case: Case,
    run: Callable[[Sequence[str]], tuple[int, str]] | None = None,
    missing: Callable[[str], bool] = lambda name: find_spec(name) is None,
) -> Iterator[Finding]:
    """
    Let two clients meet.

    :param run: runs a command; its exit status and what it wrote to standard output.
    :param missing: whether a module is not installed.
    """
    # The relay over WebSocket is a relay as well.
    helper = case.transit_helper or case.transit_websocket
    if case.relay_url is None or helper is None:
        yield warning(
            "clients",
            "not tried: nobody can tell from the configuration where clients reach the servers",
            "give --relay-url=URL and --transit-helper=tcp:HOST:PORT",
        )
        return
    if any(map(missing, _NEEDED)):
        yield warning(
            "clients",
            "not tried: wormhole-client is not installed here",
            "run pip install '.[client]' in the checkout, or run wormhole-client check on another machine",
        )
        return
    command = [sys.executable, "-m", "wormhole_client", "check", "--json", f"--size={_BYTES}"]
    command += [f"--relay-url={case.relay_url}", f"--transit-helper={helper}"]
    if case.transit_websocket is not None:
        command.append(f"--transit-websocket={case.transit_websocket}")
    try:
        _, out = (run or _run)(command)
        steps = json.loads(out)["steps"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        yield failure(
            "clients",
            f"wormhole-client check came to no result: {type(error).__name__}",
            f"run it to see why: wormhole-client check --relay-url={case.relay_url} "
            f"--transit-helper={helper}",
        )
        return
    yield from map(_finding, steps)


def _finding(step: dict[str, Any]) -> Finding:
    name = f"client, {step['step']}"
    if step["ok"]:
        return ok(name, step["detail"] or "works")
    if step["ok"] is None:
        return warning(name, f"not tried: {step['detail']}", "mend what failed before it")
    return failure(name, step["detail"], step["advice"] or "look at the server's log")


def _run(command: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - ourselves
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout
