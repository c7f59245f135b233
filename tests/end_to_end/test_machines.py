"""
Machines that forbid or lack something: the server serves, or says in one line why it does not.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end import restricted
from tests.end_to_end.processes import BIN, LOOPBACK, SECONDS, Program, Server, until
from tests.end_to_end.relay_peers import pair

_RUN = (str(BIN / "wormhole-server"), "run")
_LOOPBACK = [f"--{name}={LOOPBACK.format(0)}" for name in ("rendezvous", "transit", "metrics")]


@contextmanager
def _serving_without(what: Sequence[str], path: Path, *flags: str) -> Iterator[Server]:
    """A server where `what` is forbidden."""
    server = Server(
        f"sqlite:///{path / 'server.db'}", *flags, command=restricted.command(what, _RUN)
    )
    try:
        server.start()
        yield server
        assert "Traceback" not in server.output
    finally:
        server.kill()


def _refused_without(what: Sequence[str], path: Path, *flags: str) -> str:
    """A server that does not start where `what` is forbidden; returns its one line."""
    database = f"--database=sqlite:///{path / 'server.db'}"
    program = Program(restricted.command(what, [*_RUN, database, *flags]))
    try:
        assert program.finish() == 1, program.output
    finally:
        program.end()
    (line,) = [line for line in program.lines if line.startswith("wormhole-server: ")]
    assert "Traceback" not in program.output
    return line


@pytest.mark.parametrize("what", ["splice", "pipe-size asking-pipe-size"])
def test_no_splice(what: str, tmp_path: Path) -> None:
    """With `auto` the server says that its process moves the bytes, which it does."""
    with _serving_without(what.split(), tmp_path) as server:
        assert "transit-link=auto: the kernel cannot move the bytes here" in server.output
        one, other = pair(server.transit_port)
        one.send(b"there")
        other.expect(b"there")
        other.send(b"and back")
        one.expect(b"and back")
        one.close()
        other.close()
        assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("what", ["splice", "pipe-size asking-pipe-size"])
def test_no_splice_for_splice(what: str, tmp_path: Path) -> None:
    """With `splice` the server does not start."""
    line = _refused_without(what.split(), tmp_path, "--transit-link=splice", *_LOOPBACK)
    assert "transit-link: the kernel cannot move the bytes here: " in line
    assert "write auto or producer" in line


@pytest.mark.parametrize("what", ["pipe-size", "asking-pipe-size"])
def test_pipe_of_any_size(what: str, tmp_path: Path) -> None:
    """A pipe whose size cannot be set, or cannot be asked for, still moves bytes."""
    with _serving_without([what], tmp_path, "--transit-link=splice") as server:
        assert server.get("/readyz")


def test_no_ipv6(tmp_path: Path) -> None:
    """Endpoints of the operator that need IPv6 are named in one line; IPv4 is served."""
    flags = [r"--rendezvous=tcp:0:interface=\:\:", r"--transit=tcp:0:interface=\:\:", _LOOPBACK[2]]
    line = _refused_without(["ipv6"], tmp_path, *flags)
    assert line.startswith("wormhole-server: this machine has no IPv6, so that the server cannot")
    assert " ".join(flags[:2]) in line
    with _serving_without(["ipv6"], tmp_path) as server:
        assert server.get("/readyz")


def test_doctor(tmp_path: Path) -> None:
    """The doctor names what the kernel refuses, without a traceback."""
    database = f"--database=sqlite:///{tmp_path / 'server.db'}"
    doctor = [str(BIN / "wormhole-server"), "doctor", *_LOOPBACK, database]
    program = Program(restricted.command(["pipe-size", "asking-pipe-size"], doctor))
    program.finish()
    assert re.search("pipe memory: the kernel does not move the relay's bytes", program.output)
    assert "Traceback" not in program.output


@pytest.mark.parametrize("streams", ["> /dev/null 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(streams: str, tmp_path: Path) -> None:
    """Without stdout and stderr the server serves, and SIGTERM ends it with status 0."""
    web = tmp_path / "web"
    flags = [f"--database=sqlite:///{tmp_path / 'server.db'}", f"--rendezvous=unix:{web}"]
    command = " ".join([*_RUN, *flags, *_LOOPBACK[1:], streams])
    program = Program(["/bin/sh", "-c", f"exec {command}"])
    try:
        until(lambda: _is_ready(web))
        assert program.end(signal.SIGTERM) == 0
    finally:
        program.end()


def _is_ready(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b" 200 " in client.makefile("rb").readline()


def test_log_that_nobody_reads(tmp_path: Path) -> None:
    """The server serves, counts what is lost, and ends at SIGTERM; then it says what was lost."""
    reading, writing = os.pipe()
    web = tmp_path / "web"
    command = [
        *_RUN,
        f"--database=sqlite:///{tmp_path / 'server.db'}",
        f"--rendezvous=unix:{web}",
        *_LOOPBACK[1:],
        "--log-level=debug",
    ]
    process = subprocess.Popen(command, stderr=writing)
    try:
        os.close(writing)
        until(lambda: _is_ready(web))
        # Each refused reload is a line of the log with its traceback; none of them is read.
        fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(200):
            process.send_signal(signal.SIGHUP)
            assert _is_ready(web)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reading)


@pytest.mark.parametrize("command", ["config show", "doctor", "--help"])
def test_ascii_terminal(command: str, tmp_path: Path) -> None:
    """What a terminal cannot show is escaped."""
    flags = [f"--database=sqlite:///{tmp_path}/\xe9.db", "--motd=\xe9", *_LOOPBACK]
    program = Program(
        [_RUN[0], *command.split(), *(flags if command != "--help" else [])],
        environment={"PYTHONIOENCODING": "ascii"},
    )
    program.finish()
    assert program.output
    assert "Traceback" not in program.output


def test_full_disk_for_output() -> None:
    """Output that cannot be written is one line, and status 1."""
    program = Program(
        ["/bin/sh", "-c", f"exec {_RUN[0]} config show >/dev/full"],
        environment={"PYTHONUNBUFFERED": ""},
    )
    assert program.finish() == 1
    assert program.output == (
        "wormhole-server: the output cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize("tenths", range(1, 9, 2))
def test_early_interrupt(tenths: int, tmp_path: Path) -> None:
    """SIGINT ends a server that starts without a traceback, at whatever moment it comes."""
    flags = [*_LOOPBACK, f"--database=sqlite:///{tmp_path / 'server.db'}"]
    # Each moment is that of another import, or of another part of the start.
    watch = (
        "import sys, os, signal, runpy\n"
        f"left = {tenths} * 100\n"
        "def seen(event, _):\n"
        "    global left\n"
        "    if event == 'import' and 'wormhole_server.__main__' in sys.modules:\n"
        "        left -= 1\n"
        "        left or os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(seen)\n"
        "from wormhole_server.__main__ import main\n"
        "sys.argv[0] = 'wormhole-server'\n"
        "sys.exit(main())\n"
    )
    program = Program([sys.executable, "-c", watch, "run", *flags])
    try:
        status = program.finish()
    finally:
        program.end()
    assert status in (-signal.SIGINT, 130, 0, 1), program.output
    assert "Traceback" not in program.output
