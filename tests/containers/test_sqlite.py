"""
Plain `docker-compose up`: one server on SQLite.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.containers.compose import Project, starting
from tests.containers.engine import Engine
from tests.containers.exchanges import send_file, survive


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Project]:
    variables = {"WORMHOLE_SERVER_MOTD": "Be nice.", "WORMHOLE_SERVER_NAMEPLATE_EXPIRY": "2h"}
    with starting(Project(engine, None, variables), "server") as project:
        yield project


def test_alone(running: Project) -> None:
    """Nothing else is started."""
    assert running.services() == {"server"}


def test_fenced(running: Project) -> None:
    """What the file promises holds: no rights, nothing to write on but its data, bounded memory."""
    found = running.inspect(running.container("server"))
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == 1 << 30
    assert host["PidsLimit"] == 100
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    status = running.inside("server", "cat", "/proc/1/status")
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert [each["Destination"] for each in found["Mounts"]] == ["/data"]


def test_settings(running: Project) -> None:
    """A variable of the operator's reaches the server; one that is not set leaves the default."""
    shown = running.inside("server", "wormhole-server", "config", "show")
    assert 'motd = "Be nice."  # WORMHOLE_SERVER_MOTD' in shown
    assert 'nameplate-expiry = "2h"  # WORMHOLE_SERVER_NAMEPLATE_EXPIRY' in shown
    assert "WORMHOLE_SERVER_MAILBOX_EXPIRY" not in shown


def test_metrics(running: Project) -> None:
    """Figures are for the other containers: no port of the machine leads to them."""
    found = running.inspect(running.container("server"))
    assert found["NetworkSettings"]["Ports"]["9400/tcp"] is None
    assert "tcp:9400" in running.inside("server", "wormhole-server", "config", "show")


def test_file(running: Project, ends: tuple[Path, Path]) -> None:
    """A file goes through."""
    send_file(running, ends)


def test_crash(running: Project, ends: tuple[Path, Path]) -> None:
    """Killed while a sender waits, it comes back with its data, and the receiver gets the text."""
    survive(running, ends, "server")


def test_down(running: Project, ends: tuple[Path, Path]) -> None:
    """Taken down and put up again, as in an update, it has its data still."""
    database = "/data/wormhole-server.db"
    before = running.inside("server", "stat", "--format=%i", database)
    running.compose("down")
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{running.ports['RENDEZVOUS']}/", timeout=10.0)
    running.compose("up", "--detach")
    running.until_healthy("server")
    assert running.inside("server", "stat", "--format=%i", database) == before
    send_file(running, ends)
