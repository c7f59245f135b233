"""
Days on which the disk is full or cannot be written to: clients are told, nothing answered is lost, it passes.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.end_to_end.processes import BIN, LOOPBACK, Program, Server, serving, until
from tests.end_to_end.refusals import add_until_refused, not_ready, refused
from tests.end_to_end.relay_peers import pair
from tests.end_to_end.sessions import Session
from tests.system.disks import Disk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Two MiB."""
    with small_disk(tmp_path / "disk") as disk:
        yield disk


# Clients that are gone are forgotten within seconds. All of the clients here have one address.
_SHORT_LIVES = (
    "--mailbox-expiry=3s",
    "--nameplate-expiry=3s",
    "--expiry-interval=1s",
    "--address-storage-limit=none",
)


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
            # It looks at the disk, whatever was read of that before.
            assert "its disk is nearly full" in not_ready(server)
            refused(other, "allocate")
        assert "alive" in server.get("/healthz")
        # What needs no room goes on: the connection, and whoever comes.
        session.sync()
        Session(server.relay_url, "c").close()
        assert server.metrics()["wormhole_rendezvous_connected_clients"] >= 2
        disk.free()
        assert "ready" in server.get("/readyz")
        assert other.ask("allocate", "allocated")["nameplate"]
        session.ask("add", "message", phase="last", body="01")
        assert "ready" in server.get("/readyz")
        server.kill()
        lines = server.output.splitlines()
        not_ready_lines = [line for line in lines if "Not ready" in line]
        assert len(not_ready_lines) == 1, lines
        assert "free some space on it" in not_ready_lines[0]
        assert "Traceback" not in server.output
        server.start()
        with Session(server.relay_url, "a") as again:
            again.send("open", mailbox="box")
            again.sync()
            assert again.bodies() == [*stored, "01"]


def test_full_for_usage_records(disk: Disk) -> None:
    """A full disk on which only usage records are written makes the server not ready, and passes."""
    database = disk.where / "server.db"
    connections = 0
    with serving(f"sqlite:///{database}") as server:

        def relay() -> float:
            nonlocal connections
            for end in pair(server.transit_port):
                end.close()
                connections += 1
            return server.metrics()["wormhole_process_lost_usage_records_total"]

        assert relay() == 0
        assert "ready" in server.get("/readyz")
        disk.fill()
        # The files may have room for some.
        while not relay():
            assert connections < 1000
        assert "its disk is nearly full" in not_ready(server)
        disk.free()
        assert "ready" in server.get("/readyz")
        lost = relay()
        server.stop()
        assert server.output.count("Usage records of the relay are lost: ") == 1
        assert server.output.count("free some space on its disk") == 1
    with closing(sqlite3.connect(database)) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM relay_usage").fetchone()
    assert stored + lost == connections


@contextmanager
def _filled_by_a_client(server: Server) -> Iterator[int]:
    """
    Store messages of 200 kB in one mailbox after the other until the server refuses more.

    The client stays in all of them, so that none expires meanwhile.
    """
    stored = 0
    with ExitStack() as sessions:
        for mailbox in count():
            session = sessions.enter_context(Session(server.relay_url, "a"))
            session.send("open", mailbox=str(mailbox))
            for phase in range(10):
                session.send("add", phase=str(phase), body="ab" * 100_000)
                while (message := session.receive())["type"] == "ack":
                    pass
                if message["type"] == "error":
                    assert message["error"] == "the server's disk is nearly full, try again later"
                    yield stored
                    return
                stored += 1


def _heals(server: Server) -> None:
    """Wait until the server is ready, and exchange something."""
    until(lambda: _is_ready(server))
    with Session(server.relay_url, "a") as one, Session(server.relay_url, "b") as two:
        for session in (one, two):
            box = session.ask("claim", "claimed", nameplate="9")["mailbox"]
            session.send("open", mailbox=box)
            session.ask("add", "message", phase="pake", body="00")
            session.ask("release", "released")
            session.ask("close", "closed", mood="happy")


def _is_ready(server: Server) -> bool:
    try:
        return "ready" in server.get("/readyz")
    except HTTPError:
        return False


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_filled_by_a_client(tmp_path: Path, kind: str) -> None:
    """
    A client fills the disk up to the reserve; what exists can be closed; the rest heals by expiry.

    Then another program takes all that is left: when something expires, there is room again.
    """
    with (
        small_disk(tmp_path / "disk", "64m", kind) as disk,
        serving(f"sqlite:///{disk.where / 'server.db'}", *_SHORT_LIVES) as server,
    ):
        with Session(server.relay_url, "x") as session:
            session.ask("claim", "claimed", nameplate="7")
            session.send("open", mailbox="kept")
            session.ask("add", "message", phase="0", body="00")
            with _filled_by_a_client(server) as stored:
                assert stored > 100
                assert "its disk is nearly full" in not_ready(server)
                assert disk.free_bytes() > 8 << 20
                refused(session, "add", phase="1", body="00")
                session.ask("release", "released")
                session.ask("close", "closed")
        _heals(server)
        with _filled_by_a_client(server):
            disk.fill()
            assert disk.free_bytes() == 0
            assert "its disk is nearly full" in not_ready(server)
        _heals(server)
        server.stop()
        assert "Traceback" not in server.output


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
