"""
A restart that nobody notices: systemd's part is played by the test, the clients are the real ones.
"""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.activation import Activated, Ear
from tests.end_to_end.processes import SECONDS, Program, wormhole
from tests.end_to_end.relay_peers import Peer, pair

_BIG = 100_000_000
_SMALL = 100_000
_RESTARTS = 3
_SEND = ("send", "--no-listen", "--hide-progress")
_RECEIVE = ("receive", "--no-listen", "--hide-progress", "--accept-file")


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """The socket in place of systemd's."""
    ear = Ear(tmp_path / "notify")
    yield ear
    ear.close()


@pytest.fixture
def server(tmp_path: Path, ear: Ear) -> Iterator[Activated]:
    """A server whose listening sockets outlive it."""
    server = Activated(f"sqlite:///{tmp_path / 'server.db'}", ear)
    server.start()
    yield server
    server.close()


class Transfer:
    """A file on its way from one `wormhole` to another, through the relay."""

    def __init__(self, server: Activated, where: Path, name: str, size: int) -> None:
        self._server = server
        self._there, self._here = where / f"{name}-there", where / f"{name}-here"
        self._there.mkdir()
        self._here.mkdir()
        self._name = f"{name}.bin"
        with (self._there / self._name).open("wb") as file:
            file.write(name.encode())
            file.truncate(size)
        self.sender = wormhole(server, *_SEND, self._name, cwd=self._there)
        self.receiver: Program | None = None

    def code(self) -> str:
        """The code; with it the sender is connected and waits."""
        return self.sender.wait_for(r"Wormhole code is: (\S+)")[1]

    def receive(self) -> Program:
        """Start the receiver."""
        self.receiver = wormhole(self._server, *_RECEIVE, self.code(), cwd=self._here)
        return self.receiver

    def assert_arrived(self) -> None:
        """Both ends succeeded, and the files are the same."""
        assert self.receiver is not None
        statuses = self.receiver.finish(), self.sender.finish()
        said = f"{self.sender.output}\n{self.receiver.output}\n{self._server.output}"
        assert statuses == (0, 0), said
        assert _digest(self._here / self._name) == _digest(self._there / self._name)

    def end(self) -> None:
        """End both programs, in any state."""
        for program in (self.sender, self.receiver):
            if program is not None:
                program.end()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_nothing_is_lost(server: Activated, tmp_path: Path) -> None:
    """
    A transfer in the relay, one that is agreed on while the server stops, one that nobody has come for
    yet, and one that somebody begins meanwhile: all arrive, twice over.
    """
    transfers: list[Transfer] = []

    def begin(name: str, size: int) -> Transfer:
        transfers.append(Transfer(server, tmp_path, name, size))
        return transfers[-1]

    try:
        for turn in ("first", "second"):
            running = begin(f"{turn}-running", _BIG)
            waiting = begin(f"{turn}-waiting", _SMALL)
            meeting = begin(f"{turn}-meeting", _SMALL)
            for each in (running, waiting, meeting):
                each.code()
            one, other = pair(server.transit_port)
            running.receive().wait_for("Receiving file")
            while server.metrics()["wormhole_relay_bytes_total"] < 1_000_000:
                pass

            server.begin_to_stop()
            meeting.receive().wait_for("Receiving file")
            beginning = begin(f"{turn}-beginning", _SMALL)
            beginning.code()
            one.send(b"to the end")
            other.expect(b"to the end")
            for end in (one, other):
                end.close()
            assert server.has_stopped() == 0
            server.start()

            waiting.receive()
            beginning.receive()
            for each in (running, waiting, meeting, beginning):
                each.assert_arrived()
        assert "Traceback" not in server.output
    finally:
        for each in transfers:
            each.end()


def test_handed_over(server: Activated, tmp_path: Path) -> None:
    """
    systemd keeps the relay's connections from one process to the next: a transfer, a pair that says nothing,
    a client that waits, and one that has sent half of its handshake. None is cut, and none is waited for.
    """
    transfer = Transfer(server, tmp_path, "running", _BIG)
    try:
        transfer.code()
        one, other = pair(server.transit_port, "b")
        waiting = Peer(server.transit_port, "c", "1")
        begun = socket.create_connection(("127.0.0.1", server.transit_port), SECONDS)
        begun.sendall(b"please relay " + b"d" * 30)
        transfer.receive()
        while server.metrics()["wormhole_relay_bytes_total"] < 1_000_000:
            pass
        for turn in range(_RESTARTS):
            server.restart()
            assert not server.ear.kept
            message = b"after restart %d" % turn
            one.send(message)
            other.expect(message)
        begun.sendall(b"d" * 34 + b" for side " + b"1" * 16 + b"\n")
        for token in "cd":
            buddy = Peer(server.transit_port, token, "2")
            buddy.expect(b"ok\n")
        waiting.expect(b"ok\n")
        transfer.assert_arrived()
        counts = [
            re.findall(rf"{word} over: (\d+) ", server.output) for word in ("Handed", "Taken")
        ]
        assert counts[0] == counts[1]
        assert counts[0][0] == "6"
        assert "Traceback" not in server.output
    finally:
        transfer.end()


def test_failed_start(server: Activated) -> None:
    """A process that cannot start leaves what systemd keeps to the next one."""
    one, other = pair(server.transit_port)
    server.restart_with(lambda: _cannot_start(server))
    one.send(b"still here")
    other.expect(b"still here")
    assert not server.ear.kept


def _cannot_start(server: Activated) -> None:
    assert server.ear.kept
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = Program(
            [*server.command_line(), f"--metrics=tcp:{taken.getsockname()[1]}:interface=127.0.0.1"],
            environment={"NOTIFY_SOCKET": str(server.ear.path)},
            descriptors=server.descriptors(),
        )
        try:
            assert program.finish() == 1
            assert "Address already in use" in program.output
        finally:
            program.end()


def test_what_systemd_hears(tmp_path: Path, ear: Ear) -> None:
    """systemd is notified of readiness, of a reload, of the stop and its length, and by the watchdog."""
    server = Activated(f"sqlite:///{tmp_path / 'server.db'}", ear, "--shutdown-timeout=7")
    server.watchdog_seconds = 0.2
    try:
        server.start()
        assert server.get("/readyz")
        ear.wait_for("WATCHDOG=1", 3)
        server.hang_up()
        ear.wait_for("RELOADING=1")
        ear.wait_for("READY=1", 2)
        one, other = pair(server.transit_port)
        server.begin_to_stop()
        message = ear.wait_for("STOPPING=1")
        assert "EXTEND_TIMEOUT_USEC=22000000" in message
        ear.wait_for("STATUS=Stopping: waiting up to 7 s for pairs to finish: 1.")
        beats = len([each for each in ear.messages if each == ["WATCHDOG=1"]])
        ear.wait_for("WATCHDOG=1", beats + 2)
        one.close()
        other.close()
        assert server.has_stopped() == 0
    finally:
        server.close()


def test_a_socket_that_is_missing(tmp_path: Path, ear: Ear) -> None:
    """An endpoint whose name no socket has is an error in one line."""
    server = Activated(
        f"sqlite:///{tmp_path / 'server.db'}", ear, "--transit=systemd:domain=INET:name=relay"
    )
    program = Program(server.command_line(), descriptors=server.descriptors())
    try:
        assert program.finish() == 1
        assert "transit: cannot listen on systemd:domain=INET:name=relay" in program.output
        assert "no such socket" in program.output
        assert "Traceback" not in program.output
    finally:
        program.end()
        server.close()
