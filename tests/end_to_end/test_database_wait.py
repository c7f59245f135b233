"""
A server that is started while its PostgreSQL is down.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.end_to_end.activation import Activated, Ear
from tests.end_to_end.processes import SECONDS, Program, until
from tests.end_to_end.stores import StoppablePostgres, database


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """The socket in place of systemd's."""
    ear = Ear(tmp_path / "notify")
    yield ear
    ear.close()


@pytest.fixture
def postgres() -> Iterator[StoppablePostgres]:
    """A PostgreSQL that is down."""
    postgres = StoppablePostgres()
    postgres.stop_hard()
    yield postgres
    postgres.close()


def launch(server: Activated) -> Program:
    """Start a server without waiting until it is ready."""
    server.program = Program(
        server.command_line(),
        environment={"NOTIFY_SOCKET": str(server.ear.path)},
        descriptors=server.descriptors(),
    )
    return server.program


def status(server: Activated, path: str) -> int:
    """The status of a page."""
    try:
        server.get(path)
    except HTTPError as error:
        return error.code
    return 200


def test_waits(postgres: StoppablePostgres, ear: Ear) -> None:
    """It says that it waits, and answers 503; when PostgreSQL is up, it is ready in every respect at once."""
    server = Activated(postgres.url, ear)
    try:
        program = launch(server)
        program.wait_for("Not ready, waiting up to 120 s: .*does not answer")
        assert [status(server, path) for path in ("/readyz", "/v1", "/", "/healthz")] == [
            *(503, 503, 503),
            200,
        ]
        with socket.create_connection(("127.0.0.1", server.transit_port), SECONDS) as relay:
            assert relay.recv(1) == b""
        until(lambda: "STATUS=Not ready, waiting up to " in str(ear.messages))
        waiting = [line for message in ear.messages for line in message]
        # systemd allows the whole wait, however short its own limit is, and a migration after it.
        (extended,) = (line for line in waiting if line.startswith("EXTEND_TIMEOUT_USEC="))
        assert 700 < int(extended.partition("=")[2]) / 1e6 <= 720
        assert "READY=1" not in waiting
        postgres.start()
        ear.wait_for("READY=1")
        assert status(server, "/readyz") == 200
        assert "Traceback" not in program.output
        assert "OperationalError" not in program.output
    finally:
        server.close()


def test_gives_up(postgres: StoppablePostgres, ear: Ear) -> None:
    """After the time that the operator has set it ends with one line."""
    server = Activated(postgres.url, ear, "--database-wait=1s")
    try:
        program = launch(server)
        assert program.finish() == 1
        program.wait_for("\nwormhole-server: database: .* does not answer: .*\n")
        assert "Traceback" not in program.output
    finally:
        server.close()


def test_stopped(postgres: StoppablePostgres, ear: Ear) -> None:
    """A server that is stopped while it waits has not failed."""
    server = Activated(postgres.url, ear)
    try:
        launch(server).wait_for("waiting up to")
        # By then its reactor runs, and so do its signal handlers.
        assert status(server, "/readyz") == 503
        assert server.stop(signal.SIGTERM) == 0
        assert "Traceback" not in server.output
    finally:
        server.close()


def test_ready_at_once(tmp_path: Path, ear: Ear) -> None:
    """Whoever is told that it is ready finds it so."""
    with database("postgres", tmp_path) as url:
        for _ in range(5):
            server = Activated(url, ear)
            try:
                launch(server).wait_for("Ready")
                assert status(server, "/readyz") == 200, server.output
                assert "Not ready" not in server.output
            finally:
                server.close()
