"""
The shutdown: pairs in the relay finish or are closed, `/readyz` responds 503, and a second signal hurries.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.end_to_end.processes import WAYS, Program, Server, serving, until
from tests.end_to_end.relay_peers import Peer, pair
from tests.end_to_end.sessions import Session

_FINISH = "for pairs to finish"


def _database(where: Path) -> str:
    return f"sqlite:///{where / 'server.db'}"


def _begin_to_stop(server: Server) -> None:
    assert server.program is not None
    server.program.process.send_signal(signal.SIGTERM)
    server.program.wait_for(_FINISH)


def test_a_pair_finishes(tmp_path: Path) -> None:
    """A pair goes on, a waiting connection is closed, no other is accepted, and /readyz says 503."""
    with serving(_database(tmp_path)) as server:
        first, second = pair(server.transit_port)
        alone = Peer(server.transit_port, "b", "1")
        waiting = 'wormhole_relay_connected{end="tcp",state="waiting"}'
        until(lambda: server.metrics()[waiting] >= 1)
        with Session(server.relay_url, "side") as before:
            _begin_to_stop(server)
            alone.expect_end()
            alone.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.transit_port))
            with pytest.raises(HTTPError) as answer:
                server.get("/readyz")
            assert answer.value.code == 503
            assert "is stopping" in answer.value.read().decode()
            assert server.get("/healthz")
            # Rendezvous serves as long as the relay has something to finish, newcomers too.
            with Session(server.relay_url, "side") as newcomer:
                assert newcomer.ask("allocate", "allocated")["nameplate"]
            before.sync()
            assert server.metrics()['wormhole_relay_connected{end="tcp",state="paired"}'] == 2
            first.send(b"the rest")
            second.expect(b"the rest")
            first.close()
            second.expect_end()
            second.close()
            assert before.close_code() == 1001
        assert server.program is not None
        assert server.program.finish() == 0
        assert "Traceback" not in server.output


def test_a_pair_is_cut_at_the_deadline(tmp_path: Path) -> None:
    """A pair that does not finish is closed at the deadline; what was sent has arrived."""
    with serving(_database(tmp_path), "--shutdown-timeout=1") as server:
        first, second = pair(server.transit_port)
        _begin_to_stop(server)
        first.send(b"so far")
        second.expect(b"so far")
        first.expect_end()
        second.expect_end()
        first.close()
        second.close()
        assert server.program is not None
        assert server.program.finish() == 0
        assert "closing pairs that did not finish in time: 1" in server.output


def test_no_time_at_all(tmp_path: Path) -> None:
    """With a timeout of 0 pairs are closed at once."""
    with serving(_database(tmp_path), "--shutdown-timeout=0") as server:
        first, second = pair(server.transit_port)
        server.program.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        first.expect_end()
        second.expect_end()
        first.close()
        second.close()
        assert server.stop() == 0
        assert _FINISH not in server.output


def test_records_of_cut_pairs(tmp_path: Path) -> None:
    """A pair that is cut at the stop leaves its records, even if its peers stay."""
    with serving(_database(tmp_path), "--shutdown-timeout=0") as server:
        first, second = pair(server.transit_port)
        first.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                first.socket.send(bytes(1 << 20))
        assert server.stop(signal.SIGTERM) == 0
        first.close()
        second.close()
        assert "records of the relay are lost" not in server.output
    with closing(sqlite3.connect(tmp_path / "server.db")) as connection:
        rows = connection.execute("SELECT mood FROM relay_usage").fetchall()
    assert len(rows) == 2


@pytest.mark.parametrize("way", WAYS)
def test_second_signal(way: str, tmp_path: Path) -> None:
    """A second signal ends a stop of an hour at once; what was answered is in the database."""
    flags = ("--shutdown-timeout=1h", "--shutdown-spread=1h")
    server = Server(_database(tmp_path), *flags, command=WAYS[way])
    try:
        server.start()
        first, second = pair(server.transit_port)
        with Session(server.relay_url, "side") as session:
            mailbox = session.ask("claim", "claimed", nameplate="7")["mailbox"]
            session.send("open", mailbox=mailbox)
            session.send("add", phase="p", body="b")
            session.next("message")
            _begin_to_stop(server)
            expected = 0 if way == "run" else -signal.SIGTERM
            assert server.stop(signal.SIGTERM) == expected
        assert "Stopping now: all connections are dropped." in server.output
        assert "Traceback" not in server.output
        first.close()
        second.close()
        # SQLite takes its log away when the last connection to it is closed in good order.
        assert sorted(each.name for each in tmp_path.glob("server.db*")) == ["server.db"]
        server.start()
        with Session(server.relay_url, "other") as session:
            assert session.ask("claim", "claimed", nameplate="7")["mailbox"] == mailbox
            session.send("open", mailbox=mailbox)
            assert session.next("message")["body"] == "b"
    finally:
        server.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("file", ["config", "deny-list"])
@pytest.mark.parametrize("way", WAYS)
def test_signal_during_the_start(
    way: str, file: str, number: signal.Signals, tmp_path: Path
) -> None:
    """A signal before the reactor runs ends the process at once, without a traceback."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = Server(_database(tmp_path), f"--{file}={pipe}", command=WAYS[way]).command_line()
    program = Program(command)
    try:
        # Opening the pipe waits until the server opens it to read the file, for which it waits then.
        with pipe.open("w"):
            program.process.send_signal(number)
            # Commands of our own end as a shell reports the signal.
            assert program.finish() in (-number, 128 + number)
        assert "Traceback" not in program.output
    finally:
        program.end()


def test_delay(tmp_path: Path) -> None:
    """For the delay all ports stay open, and only /readyz changes."""
    with serving(_database(tmp_path), "--shutdown-delay=1h") as server:
        server.program.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        server.program.wait_for("Stopping in 3600 s")  # type: ignore[union-attr]
        with pytest.raises(HTTPError):
            server.get("/readyz")
        for each in pair(server.transit_port):
            each.close()
        with Session(server.relay_url, "side") as session:
            session.sync()
        assert server.stop(signal.SIGTERM) == 0


def test_clients_are_told_one_after_the_other(tmp_path: Path) -> None:
    """With a spread some clients are told to leave while others are still served."""
    with serving(_database(tmp_path), "--shutdown-spread=1h") as server:
        sessions = [Session(server.relay_url, f"side-{number}") for number in range(300)]
        try:
            server.program.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
            server.program.wait_for("over 3 s: 300")  # type: ignore[union-attr]
            codes = [session.close_code() for session in sessions]
        finally:
            for session in sessions:
                session.close()
        assert set(codes) == {1001}
        assert server.program.finish() == 0  # type: ignore[union-attr]
        with closing(socket.socket()) as probe:
            assert probe.connect_ex(("127.0.0.1", server.web_port)) != 0
