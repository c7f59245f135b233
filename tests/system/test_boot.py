"""
The units under a real systemd, in a machine of their own that is booted for these tests. As root only.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.end_to_end.processes import until
from tests.project.markdown import ROOT
from tests.system.machines import SERVICE, SETTINGS, SOCKETS, TEXT, Machine, booted, unpacked

# As docs/install-vps.md says.
_INSTALL = """
python3 -m venv /opt/wormhole-server
/opt/wormhole-server/bin/pip -q install --constraint /usr/local/src/wormhole-server/constraints.txt \\
    "/usr/local/src/wormhole-server[client,postgres]"
ln -sf /opt/wormhole-server/bin/wormhole-server /opt/wormhole-server/bin/wormhole-client /usr/local/bin/
cd /usr/local/src/wormhole-server/deploy/systemd
cp wormhole-server.service wormhole-server.socket wormhole-server-transit.socket /etc/systemd/system/
"""
_LARGE = 300_000_000
_RESTARTS = 3
# Five hundred clients that send most of a message, and wait until the server has gone.
_FILL = """
import socket
upgrade = (
    b"GET /v1 HTTP/1.1\\r\\nHost: localhost\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n"
)
begun = b"\\x81\\xff" + (250_000).to_bytes(8, "big") + bytes(4) + b"x" * 240_000
held = []
try:
    for _ in range(500):
        held.append(socket.create_connection(("127.0.0.1", 4000), 30))
        held[-1].sendall(upgrade)
        held[-1].recv(1000)
        held[-1].sendall(begun)
    held[0].settimeout(None)
    held[0].recv(1)
except ConnectionError:
    pass
"""


@pytest.fixture(scope="module")
def machine(archive: Path) -> Iterator[Machine]:
    """A machine with the units, started."""
    with unpacked(archive) as root:
        source = root / "usr/local/src/wormhole-server"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
        # It has a network only before it is booted.
        environment = {k: v for k, v in os.environ.items() if k != "PIP_FIND_LINKS"}
        subprocess.run(
            ["chroot", str(root), "sh", "-ec", _INSTALL], cwd="/", env=environment, check=True
        )
        with booted(root) as machine:
            machine.configure()
            machine.run("systemctl", "enable", "--now", *SOCKETS, SERVICE)
            yield machine


@pytest.fixture(autouse=True)
def served(machine: Machine) -> Iterator[None]:
    """Leave a server that serves."""
    yield
    machine.configure()
    machine.run("systemctl", "restart", SERVICE)
    assert machine.show(SERVICE, "StatusText") == "Serving."


def test_serves(machine: Machine) -> None:
    """Both ports are served, and the lines of the journal have a priority and no time of their own."""
    assert machine.show(SERVICE, "StatusText") == "Serving."
    machine.run(
        *("wormhole-client", "check", "--relay-url=ws://127.0.0.1:4000/v1"),
        "--transit-helper=tcp:127.0.0.1:4001",
    )
    line = next(each for each in machine.journal().splitlines() if "Ready." in each)
    assert line.startswith("wormhole_server.")
    assert "Ready." not in machine.journal("--priority=warning")


def test_killed(machine: Machine, tmp_path: Path) -> None:
    """A server that crashes is started again; a sender that waits meanwhile is found by its receiver."""
    with machine.sending(tmp_path, TEXT) as (sender, code):
        process = machine.show(SERVICE, "MainPID")
        machine.run("systemctl", "kill", "--signal=KILL", SERVICE)
        until(lambda: _started_again(machine, process))
        machine.receive_text(tmp_path, sender, code)


def test_hangs(machine: Machine, tmp_path: Path) -> None:
    """The watchdog ends a server that does not get on, and systemd starts another."""
    with (
        _restarted_with(machine, "WatchdogSec=3s"),
        machine.sending(tmp_path, TEXT) as (sender, code),
    ):
        process = machine.show(SERVICE, "MainPID")
        machine.run("systemctl", "kill", "--signal=STOP", SERVICE)
        until(lambda: _started_again(machine, process))
        assert "Watchdog timeout" in machine.run("journalctl", f"--unit={SERVICE}").stdout
        machine.receive_text(tmp_path, sender, code)


def test_memory(machine: Machine, tmp_path: Path) -> None:
    """At MemoryMax the server is ended, which the machine survives, and started again."""
    with (
        _restarted_with(machine, "MemoryMax=110M"),
        machine.sending(tmp_path, TEXT) as (sender, code),
    ):
        process = machine.show(SERVICE, "MainPID")
        machine.run("python3", "-c", _FILL)
        until(lambda: _started_again(machine, process))
        machine.receive_text(tmp_path, sender, code)


def test_restarted(machine: Machine, tmp_path: Path) -> None:
    """Restarts cut no transfer under way, wait for none, and keep a sender who waits."""
    with (tmp_path / "file.bin").open("wb") as file:
        file.truncate(_LARGE)
    with (
        machine.sending(tmp_path, TEXT) as (waiting, code),
        machine.sending(tmp_path, "--no-listen", "file.bin") as (moving, moving_code),
    ):
        process = machine.show(SERVICE, "MainPID")
        here = tmp_path / "here"
        here.mkdir()
        receiver = machine.wormhole(
            "receive", "--no-listen", "--accept-file", moving_code, cwd=here
        )
        try:
            until(lambda: any(path.stat().st_size for path in here.iterdir()))
            for _ in range(_RESTARTS):
                machine.run("systemctl", "restart", SERVICE)
                assert machine.show(SERVICE, "MainPID") != process
                process = machine.show(SERVICE, "MainPID")
                assert receiver.process.poll() is None, receiver.output
            assert receiver.finish() == 0, receiver.output
            assert moving.finish() == 0, moving.output
        finally:
            receiver.end()
        assert (here / "file.bin").stat().st_size == _LARGE
        assert machine.journal().count("Taken over: 2 connections") == _RESTARTS
        machine.receive_text(tmp_path, waiting, code)


def test_stopped(machine: Machine) -> None:
    """A stop leaves the data and nothing else; then a client starts the server."""
    machine.run("systemctl", "stop", SERVICE)
    assert machine.show(SERVICE, "Result") == "success"
    assert machine.run("pgrep", "-f", "wormhole-server run", check=False).stdout == ""
    state = machine.run("find", "/var/lib/private/wormhole-server", "-printf", "%y %m %f\n").stdout
    assert state.splitlines() == ["d 700 wormhole-server", "f 600 a.db"]
    assert machine.run("find", "/run", "-name", "*wormhole-server*", "-type", "s").stdout == ""
    assert machine.get("/readyz") == "200"
    assert machine.show(SERVICE, "ActiveState") == "active"


@contextmanager
def _restarted_with(machine: Machine, line: str) -> Iterator[None]:
    """The service restarted with another line in its section, for the time of a test."""
    drop_in = f"/run/systemd/system/{SERVICE}.d"
    machine.run("mkdir", drop_in)
    machine.run("sh", "-c", f"printf '[Service]\\n{line}\\n' >{drop_in}/test.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", SERVICE)
    try:
        yield
    finally:
        machine.run("rm", "-r", drop_in)
        machine.run("systemctl", "daemon-reload")


def _started_again(machine: Machine, process: str) -> bool:
    """Whether the server serves, as another process."""
    return machine.show(SERVICE, "MainPID") != process and machine.get("/readyz") == "200"


def test_refused_reload(machine: Machine) -> None:
    """A reload of an invalid configuration fails, and the server keeps its own; the status says so."""
    machine.configure("mtod = 1")
    until(lambda: "refused" in machine.show(SERVICE, "StatusText"))
    assert machine.run("systemctl", "reload", SERVICE, check=False).returncode == 1
    assert machine.show(SERVICE, "ActiveState") == "active"
    assert machine.get("/readyz") == "200"
    assert "mtod" in machine.journal("--priority=err")


def test_invalid_configuration(machine: Machine) -> None:
    """A start that exits with 2 is not repeated, not even by clients; a start by hand opens the ports."""
    machine.configure("mtod = 1")
    machine.run("systemctl", "restart", SERVICE, check=False)
    until(lambda: machine.show(SERVICE, "ActiveState") == "failed")
    until(lambda: all(machine.show(each, "ActiveState") == "inactive" for each in SOCKETS))
    started = machine.show(SERVICE, "ExecMainStartTimestampMonotonic")
    for _ in range(10):
        assert machine.get("/readyz") == "URLError"
    assert machine.show(SERVICE, "ExecMainStartTimestampMonotonic") == started
    machine.configure()
    machine.run("systemctl", "start", SERVICE)
    assert machine.get("/readyz") == "200"
    assert all(machine.show(each, "ActiveState") == "active" for each in SOCKETS)


def test_database_is_down(machine: Machine) -> None:
    """
    The server waits for its database. If that takes too long, it is started again and again, at a pace that
    clients cannot raise, and neither the service nor the sockets ever give up.
    """
    nowhere = 'database = "postgresql+psycopg://me@127.0.0.1:1/db"'
    machine.run("sh", "-c", f"echo '{nowhere}\ndatabase-wait = \"1s\"' >{SETTINGS}")
    machine.run("systemctl", "stop", SERVICE)
    machine.run("systemctl", "start", "--no-block", SERVICE)
    until(lambda: machine.show(SERVICE, "StatusText").startswith("Not ready, waiting up to 1 s"))
    starts: set[str] = set()

    def four_starts() -> bool:
        machine.get("/")
        starts.add(machine.show(SERVICE, "ExecMainStartTimestampMonotonic"))
        assert machine.show(SERVICE, "Result") != "start-limit-hit"
        assert all(machine.show(each, "ActiveState") == "active" for each in SOCKETS)
        return len(starts) >= 4

    until(four_starts, 300.0)
    # In microseconds: the pause, and the wait for the database.
    times = sorted(int(each) for each in starts if each != "0")
    assert all(later - earlier > 3_000_000 for earlier, later in pairwise(times))
    machine.configure()
    until(lambda: machine.show(SERVICE, "ActiveState") == "active")
    assert machine.get("/readyz") == "200"
