"""
The ways to start the server, and what an operator reads when it cannot start.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.processes import BIN, LOOPBACK, WAYS, Program, Server, serving
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import STORES, database


@pytest.mark.parametrize("way", WAYS)
def test_every_way_serves(way: str, tmp_path: Path) -> None:
    """`wormhole-server run`, twist and twistd start the same server, and end with SIGTERM."""
    server = Server(f"sqlite:///{tmp_path / 'server.db'}", "--motd=hello", command=WAYS[way])
    try:
        server.start()
        with Session(server.relay_url, "side") as session:
            assert session.welcome["motd"] == "hello"
            assert session.welcome["your-address"]["ipv4"] == "127.0.0.1"
            assert session.ask("allocate", "allocated")["nameplate"]
        assert server.get("/healthz")
        assert server.get("/readyz")
        assert server.metrics()["wormhole_rendezvous_connections_total"] == 1
        # twist and twistd end by the signal that stopped them, as Twisted has it.
        assert server.stop(signal.SIGTERM) == (0 if way == "run" else -signal.SIGTERM)
        assert "Traceback" not in server.output
    finally:
        server.kill()


def _fails(arguments: Sequence[str], status: int) -> str:
    """The one line of a server that does not start."""
    program = Program([str(BIN / "wormhole-server"), *arguments])
    try:
        assert program.finish() == status, program.output
    finally:
        program.end()
    lines = [line for line in program.lines if line.startswith("wormhole-server: ")]
    assert len(lines) == 1, program.output
    assert "Traceback" not in program.output
    return lines[0]


def _flags(database: Path) -> list[str]:
    anywhere = LOOPBACK.format(0)
    return [
        "run",
        f"--rendezvous={anywhere}",
        f"--transit={anywhere}",
        f"--metrics={anywhere}",
        f"--database=sqlite:///{database}",
    ]


@pytest.mark.parametrize("door", ["rendezvous", "transit", "metrics"])
def test_port_in_use(door: str, tmp_path: Path) -> None:
    """Says which port and what to do; a database is not made, and one that is there is not changed."""
    old = tmp_path / "old.db"
    with serving(f"sqlite:///{old}"):
        pass
    # Of an earlier schema, as far as anybody can tell: a start would want to bring it up to date.
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = old.read_bytes()
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for path in (old, tmp_path / "new.db"):
            free, there = (f"--{door}={LOOPBACK.format(each)}" for each in (0, port))
            line = _fails([there if flag == free else flag for flag in _flags(path)], 1)
            assert f"{door}: cannot listen on tcp:{port}" in line
            assert "in use" in line
            assert f"give --{door} another port" in line
    assert old.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["old.db"]


def test_delay(tmp_path: Path) -> None:
    """A server that cannot start does not wait for load balancers, which have never seen it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        there = LOOPBACK.format(taken.getsockname()[1])
        flags = [*_flags(tmp_path / "server.db"), f"--rendezvous={there}", "--shutdown-delay=1h"]
        assert "in use" in _fails(flags, 1)


def test_database_of_a_later_version(tmp_path: Path) -> None:
    """Is refused with a sentence, and left as it is."""
    path = tmp_path / "server.db"
    with serving(f"sqlite:///{path}"):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    line = _fails(_flags(path), 1)
    assert "9999" in line
    assert "newer" in line
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            ("9999",)
        ]


def test_database_of_somebody_else(tmp_path: Path) -> None:
    """Is refused with a sentence, and left as it is."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    assert "recipes" in _fails(_flags(path), 1)
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("recipes",)]


@pytest.mark.parametrize("where", ["missing/server.db", "."])
def test_database_that_cannot_be(where: str, tmp_path: Path) -> None:
    """A directory that is not there, or a file that is none: one line."""
    assert "database" in _fails(_flags(tmp_path / where), 1)


def test_database_that_does_not_answer() -> None:
    """PostgreSQL that is not there: one line, without the password."""
    anywhere = LOOPBACK.format(0)
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    line = _fails(
        [
            "run",
            f"--rendezvous={anywhere}",
            f"--transit={anywhere}",
            "--metrics=none",
            f"--database={url}",
        ],
        1,
    )
    assert "does not answer" in line
    assert "secret" not in line


def test_configuration_is_checked_without_starting(tmp_path: Path) -> None:
    """`config check` tells everything at once, names the nearest option, and makes nothing."""
    config = tmp_path / "server.toml"
    config.write_text('databse = "sqlite:///x.db"\nnameplate-expiry = "soon"\nmotd = "hi"\n')
    program = Program(
        [str(BIN / "wormhole-server"), "config", "check", f"--config={config}"], cwd=tmp_path
    )
    assert program.finish() == 2
    problems = [line for line in program.lines if line.startswith("wormhole-server: ")]
    assert len(problems) == 2
    assert any("databse" in line and "database" in line for line in problems)
    assert any("nameplate-expiry" in line for line in problems)
    assert [each.name for each in tmp_path.iterdir()] == ["server.toml"]


@pytest.mark.parametrize("store", STORES)
def test_several_start_at_once(store: str, tmp_path: Path) -> None:
    """Several instances that start on one empty database make its tables once, and all serve."""
    with database(store, tmp_path) as url:
        servers = [Server(url) for _ in range(3)]
        programs = [Program(server.command_line()) for server in servers]
        try:
            for program in programs:
                program.wait_for("Ready")
            made = [program for program in programs if "made the tables" in program.output]
            assert len(made) == 1, [program.output for program in programs]
        finally:
            for program in programs:
                program.end()


@pytest.mark.parametrize("store", STORES)
def test_expires_what_nobody_uses(store: str, tmp_path: Path) -> None:
    """What has no client expires, what has one does not, and a nameplate lives while its mailbox does."""
    short = ("--nameplate-expiry=1", "--mailbox-expiry=1", "--expiry-interval=1")
    with database(store, tmp_path) as url, serving(url, *short) as server:
        with Session(server.relay_url, "gone") as gone:
            gone.ask("claim", "claimed", nameplate="1")
        with Session(server.relay_url, "there") as there, Session(server.relay_url, "eye") as eye:
            there.send("open", mailbox=there.ask("claim", "claimed", nameplate="2")["mailbox"])
            there.sync()
            while eye.ask("list", "nameplates")["nameplates"] != [{"id": "2"}]:
                pass
            metrics = server.metrics()
            assert metrics['wormhole_rendezvous_retired_nameplates_total{mood="pruney"}'] == 1
            there.ask("add", "message", phase="0", body="")


@pytest.mark.parametrize("words", [["run", "--help"], ["config", "show"]])
def test_reader_that_has_enough(words: Sequence[str]) -> None:
    """Who reads only the beginning, as `head` does, is told of no error."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed:
        command = [str(BIN / "wormhole-server"), *words]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
