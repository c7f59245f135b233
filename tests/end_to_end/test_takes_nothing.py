"""
A database that takes nothing: one that can only be read, at the start and while the server runs, and a file
that is not there any more.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.end_to_end.processes import BIN, LOOPBACK, Program, Server, serving
from tests.end_to_end.refusals import not_ready, refused, wait_until_ready
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import StoppablePostgres


@contextmanager
def _no_write_succeeds(server: Server) -> Iterator[None]:
    """As on a disk that has become read-only, or broken: the system refuses every write to a file."""
    assert server.program is not None
    process = psutil.Process(server.program.process.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)


def test_no_write_succeeds(tmp_path: Path) -> None:
    """SQLite: commands are refused, connections stay, the log says it once; and it passes."""
    with (
        serving(f"sqlite:///{tmp_path / 'server.db'}") as server,
        Session(server.relay_url, "a") as session,
    ):
        session.send("open", mailbox="box")
        session.ask("add", "message", phase="first", body="00")
        assert "ready" in server.get("/readyz")
        with _no_write_succeeds(server):
            for _ in range(20):
                refused(session, "add", phase="0", body="ff")
                assert "accepts no writes" in not_ready(server)
        session.ask("add", "message", phase="last", body="01")
        assert "ready" in server.get("/readyz")
        server.kill()
        assert server.output.count("refuses writes") == 1, server.output
        assert server.output.count("accepts writes again") == 1
        assert "Traceback" not in server.output
        server.start()
        with Session(server.relay_url, "a") as again:
            again.send("open", mailbox="box")
            again.sync()
            assert again.bodies() == ["00", "01"]


def test_moved_away(tmp_path: Path) -> None:
    """SQLite's file is moved away under the server: nothing is answered that would be gone with it."""
    path, aside = tmp_path / "server.db", tmp_path / "aside.db"
    with serving(f"sqlite:///{path}") as server, Session(server.relay_url, "a") as session:
        session.send("open", mailbox="box")
        session.ask("add", "message", phase="first", body="00")
        path.rename(aside)
        # Reads the usage records on a connection of its own.
        server.get("/status.json")
        for _ in range(2):
            refused(session, "add", phase="0", body="ff")
        path.touch()
        refused(session, "add", phase="0", body="ff")
        assert "accepts no writes" in not_ready(server)
        aside.rename(path)
        session.ask("add", "message", phase="last", body="01")
        assert "ready" in server.get("/readyz")
        server.kill()
        assert server.output.count("The database refuses writes") == 1, server.output
        server.start()
        with Session(server.relay_url, "a") as again:
            again.send("open", mailbox="box")
            again.sync()
            assert again.bodies() == ["00", "01"]


@pytest.fixture
def postgres() -> Iterator[StoppablePostgres]:
    """A PostgreSQL of the test's own."""
    postgres = StoppablePostgres()
    try:
        yield postgres
    finally:
        postgres.close()


def _read_only(postgres: StoppablePostgres, word: str) -> None:
    """For every connection, those that exist too, as soon as the signal has reached them."""
    dsn = postgres.url.replace("+psycopg", "", 1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
        connection.execute("SELECT pg_reload_conf()")


def test_postgres_read_only_at_the_start(postgres: StoppablePostgres) -> None:
    """One line that says so, without a password; no tables are made."""
    _read_only(postgres, "on")
    flags = [f"--{door}={LOOPBACK.format(0)}" for door in ("rendezvous", "transit", "metrics")]
    program = Program([str(BIN / "wormhole-server"), "run", *flags, f"--database={postgres.url}"])
    try:
        assert program.finish() == 1, program.output
    finally:
        program.end()
    (line,) = [line for line in program.lines if line.startswith("wormhole-server: ")]
    assert "cannot be written to" in line, line
    assert "name the primary" in line
    assert "Traceback" not in program.output
    _read_only(postgres, "off")
    with serving(postgres.url) as server:
        assert server.program is not None
        server.program.wait_for("created the tables")


def test_postgres_read_only_while_running(postgres: StoppablePostgres) -> None:
    """Not ready meanwhile; a command waits for it, and what was stored before is there."""
    with serving(postgres.url) as server, Session(server.relay_url, "a") as session:
        session.send("open", mailbox="box")
        session.ask("add", "message", phase="first", body="00")
        assert "ready" in server.get("/readyz")
        _read_only(postgres, "on")
        wait_until_ready(server, ready=False)
        session.send("add", phase="last", body="01")
        _read_only(postgres, "off")
        assert session.next("message")["body"] == "01"
        wait_until_ready(server)
        assert server.output.count("The database is unavailable") <= 2, server.output
        assert "Traceback" not in server.output
