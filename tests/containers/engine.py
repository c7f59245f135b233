"""
A Docker engine for the time of the tests: with its own data and socket, beside whatever else runs here.

Owns what it changes on the machine (address forwarding, a bridge, firewall rules) and puts it back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 60.0
# Whatever takes longer hangs: a build that downloads everything takes a minute on a slow day.
COMMAND_SECONDS = 600.0
DOCKER = "/usr/bin/docker"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_BRIDGE = "docker0"
_TABLES = ("filter", "nat")


def run(
    command: Sequence[str], *, environment: dict[str, str] | None = None, give: str | None = None
) -> str:
    """What it prints; fails with all that it said where it does."""
    done = subprocess.run(
        list(command),
        input=give,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


class Engine:
    """
    `dockerd`.

    :ivar environment: by which `docker` and `docker-compose` find it.
    """

    def __init__(self) -> None:
        # Not below a directory of pytest's, whose path is too long for a socket.
        self._where = Path(tempfile.mkdtemp(prefix="wormhole-docker-", dir="/tmp"))
        self._socket = f"unix://{self._where}/docker.sock"
        self._log = self._where / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._machine = _Machine()
        self.environment = {"DOCKER_HOST": self._socket}

    def start(self) -> None:
        """Returns when it answers."""
        assert os.geteuid() == 0, "dockerd needs root: sudo make test-containers"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--host={self._socket}",
                    f"--data-root={self._where}/data",
                    f"--exec-root={self._where}/exec",
                    f"--pidfile={self._where}/pid",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"dockerd has ended:\n{self.log}"
            assert time.monotonic() < deadline, f"dockerd does not answer:\n{self.log}"
            time.sleep(0.1)

    def stop(self) -> None:
        """End all containers and it, and leave nothing behind."""
        try:
            if self._process is not None and self._process.poll() is None:
                if containers := self.docker("ps", "--all", "--quiet").split():
                    self.docker("rm", "--force", "--volumes", *containers)
                self.docker("network", "prune", "--force")
                self._process.terminate()
                self._process.wait(STOP_SECONDS)
        finally:
            self._machine.restore()
            shutil.rmtree(self._where)

    @property
    def log(self) -> str:
        """Its own."""
        return self._log.read_text()

    def docker(self, *arguments: str, give: str | None = None) -> str:
        """What `docker` prints."""
        return run([DOCKER, *arguments], environment=self.environment, give=give)

    def log_of(self, container: str) -> str:
        """What it has said, on stdout and stderr."""
        done = subprocess.run(
            [DOCKER, "logs", container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=True,
            env={**os.environ, **self.environment},
        )
        return done.stdout

    def _answers(self) -> bool:
        asking = subprocess.run(
            [DOCKER, "version"],
            capture_output=True,
            check=False,
            timeout=START_SECONDS,
            env={**os.environ, **self.environment},
        )
        return asking.returncode == 0


class _Machine:
    """The machine's network, as it was before."""

    def __init__(self) -> None:
        self._forwarding = _FORWARDING.read_text()
        self._bridge = _has_bridge()
        self._rules = [run(["iptables-save", f"--table={table}"]) for table in _TABLES]

    def restore(self) -> None:
        for rules in self._rules:
            run(["iptables-restore"], give=rules)
        if _has_bridge() and not self._bridge:
            run(["ip", "link", "delete", _BRIDGE])
        _FORWARDING.write_text(self._forwarding)


def _has_bridge() -> bool:
    return Path(f"/sys/class/net/{_BRIDGE}").exists()
