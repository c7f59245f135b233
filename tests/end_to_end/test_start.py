"""
The ways to start the server, and what an operator reads when it cannot start.
"""

from __future__ import annotations

import json
import os
import re
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
from tests.end_to_end.terminals import CTRL_C, terminal
from wormhole_server.version import VERSION


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
        assert "Ready. On the other machine: wormhole " in server.output
        assert "Traceback" not in server.output
    finally:
        server.kill()


def _fails(arguments: Sequence[str], status: int) -> str:
    """Run a server that cannot start; returns its one line."""
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
    """A port in use is named with what to do; no database is created or changed."""
    old = tmp_path / "old.db"
    with serving(f"sqlite:///{old}"):
        pass
    # Of an earlier schema, as far as anybody can tell: a start would want to bring it up to date.
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = old.read_bytes()
    files = sorted(each.name for each in tmp_path.iterdir())
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for path in (old, tmp_path / "new.db"):
            free, there = (f"--{door}={LOOPBACK.format(each)}" for each in (0, port))
            line = _fails([there if flag == free else flag for flag in _flags(path)], 1)
            assert f"{door}: cannot listen on tcp:{port}" in line
            assert "in use" in line
            assert f"give --{door} another port" in line
    assert old.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == files


def test_delay(tmp_path: Path) -> None:
    """A server that cannot start does not wait for load balancers."""
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
    """A missing directory, or a directory in place of the file, is one line."""
    assert "database" in _fails(_flags(tmp_path / where), 1)


def test_database_that_does_not_answer() -> None:
    """A PostgreSQL server that does not answer is one line, without the password."""
    anywhere = LOOPBACK.format(0)
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    line = _fails(
        [
            "run",
            f"--rendezvous={anywhere}",
            f"--transit={anywhere}",
            "--metrics=none",
            "--database-wait=0",
            f"--database={url}",
        ],
        1,
    )
    assert "does not answer" in line
    assert "secret" not in line


def test_configuration_is_checked_without_starting(tmp_path: Path) -> None:
    """`config check` lists all problems, suggests the nearest option, and creates nothing."""
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


def test_several_start_at_once(tmp_path: Path) -> None:
    """Several instances that start on one empty database create its tables once, and all serve."""
    with database("postgres", tmp_path) as url:
        servers = [Server(url) for _ in range(3)]
        programs = [Program(server.command_line()) for server in servers]
        try:
            for program in programs:
                program.wait_for("Ready")
            made = [program for program in programs if "created the tables" in program.output]
            assert len(made) == 1, [program.output for program in programs]
        finally:
            for program in programs:
                program.end()


@pytest.mark.parametrize("store", STORES)
def test_expires_what_nobody_uses(store: str, tmp_path: Path) -> None:
    """Unused nameplates and mailboxes expire; a nameplate lives as long as its mailbox is used."""
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
    """A reader that closes the pipe early, as `head` does, causes no error message."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed:
        command = [str(BIN / "wormhole-server"), *words]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_terminal(tmp_path: Path) -> None:
    """On a terminal the server shows what can be done; none of its lines is Twisted's own."""
    with terminal([str(BIN / "wormhole-server"), *_flags(tmp_path / "server.db")]) as shown:
        send = shown.wait_for(
            r"  Send +(wormhole --relay-url=ws://127\.0\.0\.1:\d+/v1 .*) send FILE\r"
        )
        for line in (
            rf"  Receive +{re.escape(send[1])} receive",
            r"  Web page +http://127\.0\.0\.1:\d+/\r",
            r"  Status +http://127\.0\.0\.1:\d+/status",
            r"  Metrics +http://127\.0\.0\.1:\d+/metrics",
            r"  Stop +Ctrl-C",
            r"Database: created the tables",
        ):
            shown.wait_for(line)
        shown.type(CTRL_C)
        assert shown.finish() == 0
    assert "Ready." not in shown.output
    assert shown.output.startswith(f"Ready: wormhole-server {VERSION}\r\n")
    assert not re.search("twisted|log_legacy", shown.output)


def test_json_log(tmp_path: Path) -> None:
    """With --log-format=json each line is an object, on a terminal and where the server cannot start."""
    flags = [*_flags(tmp_path / "server.db"), "--log-format=json"]
    with terminal([str(BIN / "wormhole-server"), *flags]) as shown:
        shown.wait_for("Database: created")
        shown.process.send_signal(signal.SIGTERM)
        assert shown.finish() == 0
    records = [json.loads(line) for line in shown.output.splitlines()]
    assert records[0]["message"].startswith("Ready. On the other machine: wormhole ")
    assert records[-1]["message"] == "Stopping."
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        there = LOOPBACK.format(taken.getsockname()[1])
        program = Program([str(BIN / "wormhole-server"), *flags, f"--transit={there}"])
        assert program.finish() == 1
    record = json.loads(program.output)
    assert (record["level"], record["logger"]) == ("error", "wormhole-server")
    assert "in use" in record["message"]
