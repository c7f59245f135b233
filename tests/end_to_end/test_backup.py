"""
Backups of a database that is being written to, and what clients find once one is restored.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.processes import BIN, Program, Server, serving
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import STORES, database


def command(database_url: str, *words: str) -> tuple[int, str]:
    """A command of `wormhole-server` on that database: its exit status and output."""
    program = Program([str(BIN / "wormhole-server"), *words, f"--database={database_url}"])
    try:
        return program.finish(), program.output
    finally:
        program.end()


@contextmanager
def load(server: Server) -> Iterator[threading.Event]:
    """Mailboxes that come, are filled and go, one after the other; yields what tells of the first."""
    over, begun = threading.Event(), threading.Event()

    def exchange(number: int) -> None:
        app = f"load-{number}"
        with (
            Session(server.relay_url, "one", app) as one,
            Session(server.relay_url, "two", app) as two,
        ):
            nameplate = one.ask("allocate", "allocated")["nameplate"]
            for side in (one, two):
                mailbox = side.ask("claim", "claimed", nameplate=nameplate)["mailbox"]
                side.send("open", mailbox=mailbox)
            for phase in range(10):
                for side in (one, two):
                    side.ask("add", "message", phase=str(phase), body="00" * 200)
            if number % 2:
                for side in (one, two):
                    side.ask("release", "released")
                    side.ask("close", "closed", mood="happy")

    def run() -> None:
        for number in itertools.count():
            exchange(number)
            begun.set()
            if over.is_set():
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield begun
    finally:
        over.set()
        thread.join()


def check_consistent(path: Path) -> None:
    """What hangs together in the database does so in the backup."""
    with closing(sqlite3.connect(path)) as connection:
        gaps = connection.execute(
            "SELECT mailbox_id FROM messages GROUP BY mailbox_id "
            "HAVING min(number) <> 1 OR max(number) <> count(*)"
        ).fetchall()
        strays = connection.execute(
            "SELECT mailbox_id FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes) "
            "AND mailbox_id NOT IN (SELECT mailbox_id FROM discarded_mailboxes)"
        ).fetchall()
        nowhere = connection.execute(
            "SELECT mailbox FROM nameplates EXCEPT SELECT mailbox FROM mailboxes"
        ).fetchall()
        assert (gaps, strays, nowhere) == ([], [], [])
        assert connection.execute("SELECT count(*) FROM messages").fetchone() > (3,)


@pytest.mark.parametrize("store", STORES)
def test_under_load(store: str, tmp_path: Path) -> None:
    """An exchange that was going on when the backup was taken goes on, on the other kind of database."""
    backup = tmp_path / "backup"
    other = next(each for each in STORES if each != store)
    (tmp_path / "new").mkdir()
    with database(store, tmp_path) as old, database(other, tmp_path / "new") as new:
        with serving(old) as server, load(server) as loaded:
            assert loaded.wait(60)
            with (
                Session(server.relay_url, "left") as left,
                Session(server.relay_url, "right") as right,
            ):
                nameplate = left.ask("allocate", "allocated")["nameplate"]
                mailbox = left.ask("claim", "claimed", nameplate=nameplate)["mailbox"]
                right.ask("claim", "claimed", nameplate=nameplate)
                for number, side in enumerate((left, right)):
                    side.send("open", mailbox=mailbox)
                    side.ask("add", "message", phase="pake", body=f"0{number}")
                status, output = command(old, "backup", str(backup))
                assert status == 0, output
        check_consistent(backup)
        status, output = command(new, "restore", str(backup))
        assert status == 0, output
        assert "Restored" in output
        with (
            serving(new) as server,
            Session(server.relay_url, "left") as left,
            Session(server.relay_url, "right") as right,
        ):
            for side in (left, right):
                assert side.ask("claim", "claimed", nameplate=nameplate)["mailbox"] == mailbox
                side.send("open", mailbox=mailbox)
                side.sync()
                assert side.bodies() == ["00", "01"]
            left.ask("add", "message", phase="version", body="02")
            while right.bodies() != ["00", "01", "02"]:
                right.receive()
            for side in (left, right):
                side.ask("release", "released")
                side.ask("close", "closed", mood="happy")


@pytest.mark.parametrize("store", STORES)
def test_round_trip(store: str, tmp_path: Path) -> None:
    """To the other kind of database and back: a backup of the last is a backup of the first."""
    other = next(each for each in STORES if each != store)
    places = [tmp_path / str(number) for number in range(3)]
    for place in places:
        place.mkdir()
    with (
        database(store, places[0]) as first,
        database(other, places[1]) as second,
        database(store, places[2]) as third,
    ):
        with serving(first) as server, load(server) as loaded:
            assert loaded.wait(60)
        told = []
        for number, (source, target) in enumerate([(first, second), (second, third)]):
            backup = tmp_path / f"backup-{number}"
            assert command(source, "backup", str(backup))[0] == 0
            status, output = command(target, "restore", str(backup))
            assert status == 0, output
            told.append(output.split(": ", 1)[1])
        assert told[0] == told[1]
        last = tmp_path / "backup-last"
        assert command(third, "backup", str(last))[0] == 0
        assert _content(last) == _content(tmp_path / "backup-0")


def _content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in tables
        }


@pytest.mark.parametrize("store", STORES)
def test_server_runs(store: str, tmp_path: Path) -> None:
    """Nothing is restored under a server that runs, which goes on; once it is stopped, all is."""
    backup = tmp_path / "backup"
    with database(store, tmp_path) as url:
        server = Server(url)
        try:
            server.start()
            assert command(url, "backup", str(backup))[0] == 0
            for force in ((), ("--force",)):
                status, output = command(url, "restore", str(backup), *force)
                assert status == 1
                assert "stop" in output
            with Session(server.relay_url, "side") as session:
                session.ask("allocate", "allocated")
            server.stop()
            status, output = command(url, "restore", str(backup))
            assert status == 1
            assert "is not empty" in output
            status, output = command(url, "restore", str(backup), "--force")
            assert status == 0, output
            server.start()
            with Session(server.relay_url, "side") as session:
                assert session.ask("list", "nameplates")["nameplates"] == []
        finally:
            server.kill()


def test_streams(tmp_path: Path) -> None:
    """Through standard output and input, as it is done with containers."""
    with database("sqlite", tmp_path) as url, serving(url) as server:
        with Session(server.relay_url, "side") as session:
            session.ask("allocate", "allocated")
        server.stop()
        target = f"sqlite:///{tmp_path / 'target.db'}"
        program = str(BIN / "wormhole-server")
        through = Program(
            [
                "sh",
                "-c",
                f"{program} backup - --database={url} | {program} restore - --database={target}",
            ]
        )
        assert through.finish() == 0, through.output
        assert "Restored" in through.output
        assert "1 nameplate, 1 mailbox" in through.output
