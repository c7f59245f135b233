"""
Days on which the disk is full or cannot be written to: clients are told, nothing answered is lost, it passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import BIN, LOOPBACK, Program, serving
from tests.end_to_end.refusals import add_until_refused, not_ready, refused
from tests.end_to_end.sessions import Session
from tests.system.disks import Disk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Two MiB."""
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def _flags(disk: Disk) -> list[str]:
    return [f"--{door}={LOOPBACK.format(0)}" for door in ("rendezvous", "transit", "metrics")] + [
        f"--database=sqlite:///{disk.where / 'server.db'}"
    ]


def test_full_while_running(disk: Disk) -> None:
    """Commands are refused and connections stay; freed, all goes on; what was echoed is there."""
    with (
        serving(f"sqlite:///{disk.where / 'server.db'}") as server,
        Session(server.relay_url, "a") as session,
        Session(server.relay_url, "b") as other,
    ):
        session.ask("claim", "claimed", nameplate="7")
        session.send("open", mailbox="box")
        session.ask("add", "message", phase="first", body="00")
        assert "ready" in server.get("/readyz")
        disk.fill()
        stored = ["00", *add_until_refused(session)]
        for _ in range(20):
            refused(session, "add", phase="0", body="ff" * 3000)
            refused(other, "allocate")
            assert "takes nothing" in not_ready(server)
        assert "alive" in server.get("/healthz")
        # What needs no room goes on: the connection, and whoever comes.
        session.sync()
        Session(server.relay_url, "c").close()
        assert server.metrics()["wormhole_rendezvous_connected_clients"] >= 2
        disk.free()
        assert other.ask("allocate", "allocated")["nameplate"]
        session.ask("add", "message", phase="last", body="01")
        assert "ready" in server.get("/readyz")
        server.kill()
        lines = server.output.splitlines()
        assert len([line for line in lines if "free some space there" in line]) == 1, lines
        assert len([line for line in lines if "it is given again" in line]) == 1
        assert len([line for line in lines if "Not ready" in line]) == 1
        assert "Traceback" not in server.output
        server.start()
        with Session(server.relay_url, "a") as again:
            again.send("open", mailbox="box")
            again.sync()
            assert again.bodies() == [*stored, "01"]


def test_killed_on_a_full_disk(disk: Disk) -> None:
    """A server that is killed while its disk is full has lost nothing of what it had answered."""
    with serving(f"sqlite:///{disk.where / 'server.db'}") as server:
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.sync()
            disk.fill()
            stored = add_until_refused(session)
            server.kill()
        disk.free()
        server.start()
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.sync()
            assert session.bodies() == stored


def _one_line(disk: Disk) -> str:
    """Of a server that does not start."""
    program = Program([str(BIN / "wormhole-server"), "run", *_flags(disk)])
    try:
        assert program.finish() == 1, program.output
    finally:
        program.end()
    lines = [line for line in program.lines if line.startswith("wormhole-server: ")]
    assert len(lines) == 1, program.output
    assert "Traceback" not in program.output
    return lines[0]


def test_full_at_the_start(disk: Disk) -> None:
    """One line says so and what to do; with room it starts."""
    disk.fill()
    line = _one_line(disk)
    assert re.search(r"database: sqlite:///\S+ cannot be used: .*full.*free some space", line), line
    disk.free()
    with serving(f"sqlite:///{disk.where / 'server.db'}") as server:
        assert "ready" in server.get("/readyz")


def test_read_only_at_the_start(disk: Disk) -> None:
    """A file that may not be written to: one line, and the file is as it was."""
    with serving(f"sqlite:///{disk.where / 'server.db'}") as server:
        with Session(server.relay_url, "a") as session:
            session.ask("claim", "claimed", nameplate="7")
        server.stop()
    before = (disk.where / "server.db").read_bytes()
    disk.protect()
    line = _one_line(disk)
    assert "cannot be used" in line
    assert "may write to the file and its directory" in line
    assert (disk.where / "server.db").read_bytes() == before
