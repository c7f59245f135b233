"""A SQLite file that another server has, or whose companions disappear while a server runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.end_to_end.activation import Activated, Ear
from tests.end_to_end.processes import Program, Server, serving, until
from tests.end_to_end.refusals import not_ready, refused
from tests.end_to_end.sessions import Session


def test_second_server(tmp_path: Path) -> None:
    """A second server on a file waits for the first, and serves when that one was killed; or it gives up."""
    url = f"sqlite:///{tmp_path}/w.db"
    with serving(url) as first:
        hasty = Program(Server(url, "--database-wait=0").command_line())
        assert hasty.finish() == 1
        assert "in use by another server" in hasty.output
        assert "Traceback" not in hasty.output
        patient = Program(Server(url, "--database-wait=60").command_line())
        try:
            until(lambda: "in use by another server" in patient.output)
            assert "Ready" not in patient.output
            first.kill()
            patient.wait_for("Ready")
        finally:
            patient.end()


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_lost_companion(tmp_path: Path, suffix: str) -> None:
    """Nothing that was answered is lost with the log, and nothing more is answered."""
    url = f"sqlite:///{tmp_path}/w.db"
    with serving(url) as server:
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.send("add", phase="0", body="00")
            session.next("message")
            (tmp_path / f"w.db{suffix}").unlink()
            for phase in ("1", "2"):
                assert (
                    "cannot use its database"
                    in session.ask("add", "error", phase=phase, body="0" + phase)["error"]
                )
        assert server.program is not None
        server.program.wait_for(rf"w\.db{suffix} has been moved or deleted")
        server.stop(signal.SIGKILL)
        server.start()
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.sync()
            assert session.bodies() == ["00"]


def test_moved_directory(tmp_path: Path) -> None:
    """In a directory that is moved away nothing more is answered, and nothing that was answered is lost."""
    place, moved = tmp_path / "data", tmp_path / "moved"
    place.mkdir()
    with serving(f"sqlite:///{place}/w.db") as server:
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.send("add", phase="0", body="00")
            session.next("message")
            assert "is ready" in server.get("/readyz")
            place.rename(moved)
            for phase in ("1", "2"):
                refused(session, "add", phase=phase, body="0" + phase)
                assert "accepts no writes" in not_ready(server)
        assert server.program is not None
        server.program.wait_for(r"w\.db has been moved or deleted")
        server.kill()
        moved.rename(place)
        server.start()
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.sync()
            assert session.bodies() == ["00"]


def test_activated_restart(tmp_path: Path) -> None:
    """A server that takes over systemd's sockets before the one before has stopped waits for the file."""
    ear = Ear(tmp_path / "notify")
    server = Activated(f"sqlite:///{tmp_path}/w.db", ear)
    try:
        server.start()
        before, server.program = server.program, None
        assert before is not None
        try:
            server.program = Program(
                server.command_line(),
                environment={"NOTIFY_SOCKET": str(ear.path)},
                descriptors=server.descriptors(),
            )
            server.program.wait_for("Not ready, waiting up to .* in use by another server")
            before.process.send_signal(signal.SIGTERM)
            ear.wait_for("READY=1", 2)
            assert before.finish() == 0
        finally:
            before.end()
        with Session(server.relay_url, "a") as session:
            session.ask("allocate", "allocated")
        assert "Traceback" not in before.output + server.output
    finally:
        server.close()
