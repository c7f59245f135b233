"""
`wormhole-server health` beside the real server.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.end_to_end.processes import BIN, LOOPBACK, SECONDS, Server, serving
from tests.ports import free_port

SETTING = "WORMHOLE_SERVER_"


def health(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Ask, with the settings in the environment, as in a container."""
    return subprocess.run(
        [str(BIN / "wormhole-server"), "health", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def settings_of(server: Server) -> dict[str, str]:
    """What it would be told in its environment."""
    return {
        f"{SETTING}RENDEZVOUS": LOOPBACK.format(server.web_port),
        f"{SETTING}TRANSIT": LOOPBACK.format(server.transit_port),
    }


def test_ready(tmp_path: Path) -> None:
    """A server that is ready is said to be, by the settings in the environment; one that is gone is not."""
    with serving(f"sqlite:///{tmp_path}/db") as server:
        environment = settings_of(server)
        answer = health(environment=environment)
        assert (answer.returncode, answer.stdout) == (0, "The server is ready.\n"), answer
        answer = health("--alive", "--timeout=10s", environment=environment)
        assert (answer.returncode, answer.stdout) == (0, "The server is alive.\n"), answer
    answer = health(environment=environment)
    assert answer.returncode == 1
    assert answer.stderr == (
        f"wormhole-server: nothing answers at 127.0.0.1:{server.web_port}: Connection refused; start "
        "the server, or give this command the settings that the server has\n"
    )


def test_several(tmp_path: Path) -> None:
    """All endpoints are asked, also a Unix socket; one that does not answer is one too many."""
    unix = f"unix:{tmp_path}/web.sock"
    with serving(f"sqlite:///{tmp_path}/db", f"--rendezvous={unix}") as server:
        one = f"--rendezvous={LOOPBACK.format(server.web_port)}"
        assert health(one, f"--rendezvous={unix}").returncode == 0
        answer = health(one, f"--rendezvous=unix:{tmp_path}/other.sock")
        assert answer.returncode == 1
        assert f"nothing answers at unix:{tmp_path}/other.sock: No such file" in answer.stderr


def test_tls(tmp_path: Path) -> None:
    """A TLS endpoint is asked over TLS, whatever its certificate."""
    key, certificate = Authority().issue().write(tmp_path)
    port = free_port()
    tls = f"--rendezvous=ssl:{port}:privateKey={key}:certKey={certificate}:interface=127.0.0.1"
    with serving(f"sqlite:///{tmp_path}/db", tls):
        answer = health(tls)
    assert (answer.returncode, answer.stdout) == (0, "The server is ready.\n"), answer


def test_relay_alone(tmp_path: Path) -> None:
    """Where there is no rendezvous endpoint, the relay lets in who asks."""
    with serving(f"sqlite:///{tmp_path}/db") as server:
        transit = LOOPBACK.format(server.transit_port)
        answer = health("--rendezvous=none", f"--transit={transit}")
        assert answer.returncode == 0, answer
        assert (
            answer.stdout == f"The relay accepts connections at 127.0.0.1:{server.transit_port}.\n"
        )
    assert health("--rendezvous=none", f"--transit={transit}").returncode == 1


def test_silent() -> None:
    """A server that takes connections and says nothing is waited for as long as was asked for."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        answer = health(f"--rendezvous={LOOPBACK.format(port)}", "--timeout=0.1s")
    assert answer.returncode == 1
    assert answer.stderr == (
        f"wormhole-server: no answer to /readyz from 127.0.0.1:{port}: nothing within 0.1 s; look at the "
        "server's log\n"
    )


def test_stranger() -> None:
    """Somebody else who listens there is no healthy server."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        endpoint = LOOPBACK.format(listening.getsockname()[1])
        asking = subprocess.Popen(
            [str(BIN / "wormhole-server"), "health", f"--rendezvous={endpoint}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"\x00 what?\n")
        _, said = asking.communicate(timeout=SECONDS)
    assert asking.returncode == 1
    assert "no answer to /readyz" in said
    assert len(said.splitlines()) == 1


def test_imports(tmp_path: Path) -> None:
    """It runs every few seconds in a container, with all settings of the server: it imports nothing slow."""
    environment = {
        **os.environ,
        f"{SETTING}DATABASE": "postgresql://user@host/name",
        f"{SETTING}LOG_LEVEL": "debug",
        f"{SETTING}RENDEZVOUS": rf'["tcp:{free_port()}:interface=127.0.0.1", "unix:{tmp_path}/web"]',
        f"{SETTING}WEBSOCKET_PROTOCOL_OPTION": "autoPingSize=20",
    }
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wormhole_server", "health"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Connection refused" in answer.stderr
    imported = set(re.findall(r"\| +([a-zA-Z_]+)", answer.stderr))
    assert "wormhole_server" in imported
    assert not imported & {"alembic", "autobahn", "email", "http", "sqlalchemy", "ssl", "twisted"}


def test_imports_without_settings() -> None:
    """What reads files, writes help and guesses at mistakes is not imported either, where there are none."""
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wormhole_server", "health"],
        env={name: value for name, value in os.environ.items() if not name.startswith(SETTING)},
        capture_output=True,
        text=True,
        check=False,
    )
    imported = set(re.findall(r"\| +([a-zA-Z_]+)", answer.stderr))
    assert "wormhole_server" in imported
    assert not imported & {"difflib", "textwrap", "tomllib"}


@pytest.mark.parametrize("timeout", ["soon", "0"])
def test_timeout(timeout: str) -> None:
    """A timeout that is none is refused with a line and status 2."""
    answer = health(f"--timeout={timeout}")
    assert answer.returncode == 2
    assert answer.stderr.startswith("wormhole-server: --timeout: ")
    assert len(answer.stderr.splitlines()) == 1
