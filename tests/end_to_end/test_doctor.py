"""
Tests of `wormhole-server doctor` with real servers: running, stopped and misconfigured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.end_to_end.processes import BIN, LOOPBACK, Program, Server, serving

# Depend on the machine that runs the test.
_NOT_OURS = {"clock", "disk", "permissions", "file descriptors", "pipe memory"}


def examine(server: Server, *flags: str) -> tuple[int, Mapping[str, dict[str, str]]]:
    """The exit status, and the findings by check."""
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
    """A server that runs passes every check, including two clients that meet on it."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        status, found = examine(server)
    assert status == 0, found
    for check in ("schema", "upgrade", "client addresses", "forged addresses", "client, exchange"):
        assert found[check]["level"] == "ok", found[check]
    assert found["client, relay, TCP to WebSocket"]["level"] == "ok"
    odd = {name: each for name, each in found.items() if each["level"] != "ok"}
    assert odd.keys() <= _NOT_OURS, odd


def test_stopped(tmp_path: Path) -> None:
    """A stopped server fails on each of its ports, but not on its database."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        server.stop()
        status, found = examine(server)
    assert status == 1
    for check in ("rendezvous", "transit", "metrics", "public URL", "client, TCP"):
        assert found[check]["level"] == "failure"
        assert found[check]["fix"]
    assert found["database"]["level"] == "ok"


def test_believes_everybody(tmp_path: Path) -> None:
    """A server that trusts every client as a proxy fails: clients can forge their addresses."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}", "--trusted-proxy=127.0.0.0/8") as server:
        status, found = examine(server)
    assert status == 1
    assert found["forged addresses"]["level"] == "failure"
    assert "--trusted-proxy" in found["forged addresses"]["fix"]


def test_turned_away(tmp_path: Path) -> None:
    """A server whose configuration refuses clients is a warning, and the client's steps fail."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}", "--signal-error=closed") as server:
        status, found = examine(server, "--transit-websocket=none")
    assert status == 1
    assert found["welcome"]["level"] == "warning"
    assert found["client, WebSocket and welcome"]["level"] == "failure"
    assert found["client, exchange"]["level"] == "warning"
    assert "client, relay over WebSocket" not in found


def test_wrong_port(tmp_path: Path) -> None:
    """The relay's port in place of the rendezvous server's gives no HTTP answer."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        url = f"ws://127.0.0.1:{server.transit_port}/v1"
        status, found = examine(server, f"--relay-url={url}", "--transit-websocket=none")
    assert status == 1
    assert found["public URL"]["level"] == "failure"
    assert "no HTTP answer" in found["public URL"]["text"]


def test_wrong_scheme(tmp_path: Path) -> None:
    """A URL with wss:// for a port without TLS is named as that, for the doctor looks at the port again."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        url = f"--relay-url=wss://127.0.0.1:{server.web_port}/v1"
        status, found = examine(server, url, "--transit-websocket=none")
    assert status == 1
    assert "use ws:// in the URL" in found["public URL"]["fix"]


def test_lines(tmp_path: Path) -> None:
    """Findings are printed in ASCII on a terminal without UTF-8, with a summary."""
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
    assert "FAIL rendezvous: nothing answers at 127.0.0.1:1" in program.output
    assert "checks failed." in program.lines[-1]
    assert not (tmp_path / "server.db").exists()


def test_without_the_extra(tmp_path: Path) -> None:
    """Without the client's extra the doctor says so in one finding, and makes all other checks."""
    hidden = "import sys; sys.modules.update(dict.fromkeys(('nacl', 'spake2')))"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        program = Program(
            [
                *("env", f"PYTHONPATH={tmp_path}:{Path(__file__).parents[2]}"),
                *(str(BIN / "wormhole-server"), "doctor", "--json", *server.command_line()[2:]),
            ]
        )
        assert program.finish() == 0, program.output
    found = {each["check"]: each for each in json.loads(program.output)["checks"]}
    assert found["upgrade"]["level"] == found["forged addresses"]["level"] == "ok"
    assert found["clients"]["level"] == "warning"
    assert "the client extra is not installed" in found["clients"]["text"]
