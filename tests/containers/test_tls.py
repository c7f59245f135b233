"""
The profile `tls`: Caddy in front, everything on one port.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.compose import Project, starting
from tests.containers.engine import Engine
from tests.containers.exchanges import survive
from tests.end_to_end.processes import BIN, Program, transfer

ROOT = "/data/caddy/pki/authorities/local/root.crt"


class Secured(Project):
    """Reached through Caddy, but for the relay over TCP, which `wormhole` has to have."""

    @property
    def relay_url(self) -> str:
        return f"wss://localhost:{self.ports['HTTPS']}/v1"

    @property
    def transit_url(self) -> str:
        return f"wss://localhost:{self.ports['HTTPS']}/transit"


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Secured]:
    project = Secured(engine, "tls", {})
    with starting(project, "server", "caddy"):
        yield project


@pytest.fixture(autouse=True)
def trusted(running: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients trust whom Caddy has made for `localhost`, as they trust the public authorities."""
    root = tmp_path / "root.crt"
    root.write_text(running.inside("caddy", "cat", ROOT))
    monkeypatch.setenv("SSL_CERT_FILE", str(root))


def test_everything(running: Secured) -> None:
    """Seen from outside: rendezvous and relay, both on the one port, with a certificate that is checked."""
    check = Program(
        [
            str(BIN / "wormhole-client"),
            "check",
            f"--relay-url={running.relay_url}",
            f"--transit-websocket={running.transit_url}",
            f"--transit-helper={running.transit_helper}",
        ]
    )
    assert check.finish() == 0, check.output
    assert "✔ TLS" in check.output
    assert "✔ relay over WebSocket" in check.output


def test_file(running: Secured, ends: tuple[Path, Path]) -> None:
    """The real `wormhole` sends a file, its rendezvous over TLS."""
    there, here = ends
    (there / "file.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    transfer(running, ["--no-listen", "file.bin"], ["--no-listen", "--accept-file"], there, here)
    assert (here / "file.bin").read_bytes() == (there / "file.bin").read_bytes()


def test_one_port(running: Secured, ends: tuple[Path, Path]) -> None:
    """A client that speaks WebSocket to the relay needs no other port."""
    there, here = ends
    (there / "file.bin").write_bytes(random.Random(2).randbytes(3_000_000))
    server = [
        f"--relay-url={running.relay_url}",
        f"--transit-helper={running.transit_url}",
        "--no-listen",
    ]
    client = str(BIN / "wormhole-client")
    sender = Program([client, "send", *server, "--code=1-one-port", "file.bin"], cwd=there)
    receiver = Program([client, "receive", *server, "--accept", "1-one-port"], cwd=here)
    try:
        statuses = receiver.finish(), sender.finish()
    finally:
        sender.end()
        receiver.end()
    assert statuses == (0, 0), f"{sender.output}\n{receiver.output}\n{running.output}"
    assert (here / "file.bin").read_bytes() == (there / "file.bin").read_bytes()


def test_crash(running: Secured, ends: tuple[Path, Path]) -> None:
    """The server, then Caddy is killed while a sender waits; the receiver gets the text."""
    survive(running, ends, "server", "caddy")
