"""
The machine's clock jumps while the server runs, with Debian's libfaketime: nobody who is connected notices.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.end_to_end.processes import BIN, SECONDS, Server, serving
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import database

# The timers that a jump could set off, or stop, are short enough here to be waited for.
_FLAGS = ("--expiry-interval=1", "--transit-handshake-timeout=1")


class Jumping:
    """A server, and a file that says how far its clock of the day is from ours."""

    def __init__(self, url: str, where: Path) -> None:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        self._file = where / "clock"
        self.jump("+0d")
        self.server = Server(
            url,
            *_FLAGS,
            command=(
                "env",
                f"LD_PRELOAD={library}",
                f"FAKETIME_TIMESTAMP_FILE={self._file}",
                "FAKETIME_NO_CACHE=1",
                # As when somebody sets the clock: what counts from the boot goes on as it was.
                "FAKETIME_DONT_FAKE_MONOTONIC=1",
                str(BIN / "wormhole-server"),
                "run",
            ),
        )
        self.server.start()

    def jump(self, far: str) -> None:
        """Set its clock: `-1d`."""
        self._file.write_text(far)


@pytest.fixture
def jumping(tmp_path: Path) -> Iterator[Jumping]:
    """On SQLite."""
    with database("sqlite", tmp_path) as url:
        jumping = Jumping(url, tmp_path)
        try:
            yield jumping
        finally:
            jumping.server.kill()


def _relay(server: Server, line: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.transit_port), SECONDS)
    connection.sendall(line)
    return connection


def _read(connection: socket.socket, count: int) -> bytes:
    return b"".join(connection.recv(1) for _ in range(count))


def _until_gone(session: Session, nameplate: str) -> None:
    """Until expiry has removed a nameplate, and so has had its turn."""
    while {"id": nameplate} in session.ask("list", "nameplates")["nameplates"]:
        pass


@pytest.mark.parametrize("far", ["+2d", "-2d"])
def test_clock_jumps(far: str, jumping: Jumping) -> None:
    """By two days in either direction: whoever is connected stays so, and keeps what he has."""
    server = jumping.server
    token = secrets.token_hex(32).encode()
    with (
        ExitStack() as stack,
        Session(server.relay_url, "there") as there,
        Session(server.relay_url, "eye") as eye,
    ):
        there.send("open", mailbox=there.ask("claim", "claimed", nameplate="1")["mailbox"])
        there.ask("add", "message", phase="0", body="00")
        with Session(server.relay_url, "gone") as gone:
            gone.ask("claim", "claimed", nameplate="2")
        one, other = (
            stack.enter_context(
                closing(_relay(server, b"please relay %s for side %016x\n" % (token, side)))
            )
            for side in range(2)
        )
        assert (_read(one, 3), _read(other, 3)) == (b"ok\n", b"ok\n")
        lonely = stack.enter_context(
            closing(_relay(server, b"please relay %s\n" % token[::-1])),
        )
        jumping.jump(far)
        # Timers go on: a connection that says nothing is closed in time, and expiry has its turns.
        assert _relay(server, b"").recv(100) == b"bad handshake\n"
        if far.startswith("+"):
            _until_gone(eye, "2")
        else:
            jumping.jump("+0d")
            eye.sync()
            jumping.jump(far)
            eye.sync()
        # Nobody was sent away, and nothing of theirs is gone.
        there.ask("add", "message", phase="1", body="01")
        assert there.bodies() == ["00", "01"]
        assert {"id": "1"} in eye.ask("list", "nameplates")["nameplates"]
        one.sendall(b"hello")
        assert _read(other, 5) == b"hello"
        late = stack.enter_context(closing(_relay(server, b"please relay %s\n" % token[::-1])))
        assert (_read(lonely, 3), _read(late, 3)) == (b"ok\n", b"ok\n")
        assert "ready" in server.get("/readyz")
    assert "Traceback" not in server.output


def test_one_clock_of_several_jumps(tmp_path: Path) -> None:
    """An instance whose clock is days ahead removes nothing that others use, and says why."""
    with ExitStack() as stack:
        url = stack.enter_context(database("postgres", tmp_path))
        right = stack.enter_context(serving(url, *_FLAGS))
        jumping = Jumping(url, tmp_path)
        stack.callback(jumping.server.kill)
        session = stack.enter_context(Session(right.relay_url, "side"))
        session.send("open", mailbox=session.ask("claim", "claimed", nameplate="1")["mailbox"])
        session.sync()
        jumping.jump("+2d")
        assert jumping.server.program is not None
        jumping.server.program.wait_for("Nothing expires here: .* ahead of the database's")
        session.ask("add", "message", phase="0", body="00")
        assert session.ask("list", "nameplates")["nameplates"] == [{"id": "1"}]
        assert jumping.server.output.count("Nothing expires here") == 1
