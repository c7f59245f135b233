"""
`wormhole-server doctor` beside real servers: well, stopped, and behind what spoils something.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.end_to_end.processes import BIN, LOOPBACK, Program, Server, serving

# What no test can promise of the machine that it runs on.
_NOT_OURS = {"clock", "disk", "permissions", "file descriptors", "pipe memory"}


def examine(server: Server, *flags: str) -> tuple[int, Mapping[str, dict[str, str]]]:
    """The exit status, and the findings by what was looked at."""
    endpoints = server.command_line()[2:]
    program = Program([str(BIN / "wormhole-server"), "doctor", "--json", *endpoints, *flags])
    try:
        status = program.finish()
    finally:
        program.end()
    report = json.loads(program.output)
    assert (status == 0) == report["ok"]
    return status, {each["check"]: each for each in report["checks"]}


def test_well(tmp_path: Path) -> None:
    """Everything about a server that runs is well, down to two clients that meet on it."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        status, found = examine(server)
    assert status == 0, found
    for check in ("schema", "upgrade", "client addresses", "forged addresses", "client, exchange"):
        assert found[check]["level"] == "ok", found[check]
    assert found["client, relay, TCP to WebSocket"]["level"] == "ok"
    odd = {name: each for name, each in found.items() if each["level"] != "ok"}
    assert odd.keys() <= _NOT_OURS, odd


def test_stopped(tmp_path: Path) -> None:
    """A server that has been stopped is told on each of its ports; its database is well all the same."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        server.stop()
        status, found = examine(server)
    assert status == 1
    for check in ("rendezvous", "transit", "metrics", "public URL", "client, TCP"):
        assert found[check]["level"] == "failure"
        assert found[check]["mend"]
    assert found["database"]["level"] == "ok"


def test_believes_everybody(tmp_path: Path) -> None:
    """A server that takes everybody for a proxy is told that clients can forge their addresses."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}", "--trusted-proxy=127.0.0.0/8") as server:
        status, found = examine(server)
    assert status == 1
    assert found["forged addresses"]["level"] == "failure"
    assert "--trusted-proxy" in found["forged addresses"]["mend"]


def test_turned_away(tmp_path: Path) -> None:
    """A server that is closed to clients by its configuration says so."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}", "--signal-error=closed") as server:
        status, found = examine(server, "--transit-websocket=none")
    assert status == 1
    assert found["welcome"]["level"] == "warning"
    assert found["client, exchange"]["level"] == "failure"
    assert "client, relay over WebSocket" not in found


def test_wrong_port(tmp_path: Path) -> None:
    """The relay's port given for the rendezvous server's."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        url = f"ws://127.0.0.1:{server.transit_port}/v1"
        status, found = examine(server, f"--relay-url={url}", "--transit-websocket=none")
    assert status == 1
    assert found["public URL"]["level"] == "failure"
    assert "no HTTP" in found["public URL"]["text"]


def test_lines(tmp_path: Path) -> None:
    """For people: a line each, in letters that their terminal has, and a sum."""
    nowhere = LOOPBACK.format(1)
    program = Program(
        [
            *("env", "PYTHONIOENCODING=ascii", str(BIN / "wormhole-server"), "doctor"),
            *(f"--rendezvous={nowhere}", f"--transit={nowhere}", "--metrics=none"),
            f"--database=sqlite:///{tmp_path / 'server.db'}",
        ]
    )
    assert program.finish() == 1
    assert program.output.isascii()
    assert "FAIL rendezvous: nobody answers at 127.0.0.1:1" in program.output
    assert "checks failed." in program.lines[-1]
    assert not (tmp_path / "server.db").exists()
