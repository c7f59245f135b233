"""
What systemd does for a service: it holds the listening sockets, and hears how the service is.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.processes import BIN, SECONDS, Program, Server

_NAMES = ("rendezvous", "transit")
# The descriptors begin with 3, and LISTEN_PID is that of the process which they are meant for.
_LAUNCHER = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for place, fd in enumerate(fds, 3):
    os.dup2(fd, place, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


class Ear:
    """
    A notify socket, all messages that it received, and the descriptors that it was given to keep.

    :ivar kept: with their names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[list[str]] = []
        self.kept: list[tuple[str, int]] = []
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait_for(self, assignment: str, times: int = 1) -> list[str]:
        """Wait for a number of messages with an assignment; returns the last one."""

        def heard() -> list[list[str]]:
            return [message for message in self.messages if assignment in message]

        with self._news:
            if not self._news.wait_for(lambda: len(heard()) >= times, SECONDS):
                raise AssertionError(f"{assignment} was not said {times} times: {self.messages}")
            return heard()[-1]

    def close(self) -> None:
        """Close the socket."""
        self._socket.sendto(b"", str(self.path))
        self._thread.join()
        self._socket.close()
        for _, descriptor in self.kept:
            os.close(descriptor)

    def _listen(self) -> None:
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 10)
            if not message:
                return
            with self._news:
                assignments = message.decode().split("\n")
                self.messages.append(assignments)
                self._keep(assignments, descriptors)
                self._news.notify_all()

    def _keep(self, assignments: list[str], descriptors: list[int]) -> None:
        names = [each.partition("=")[2] for each in assignments if each.startswith("FDNAME=")]
        if "FDSTORE=1" in assignments:
            self.kept += [(names[0], each) for each in descriptors]
            return
        if "FDSTOREREMOVE=1" in assignments:
            descriptors += [each for name, each in self.kept if name in names]
            self.kept = [each for each in self.kept if each[0] not in names]
        for each in descriptors:  # those of a BARRIER=1 too
            os.close(each)


class Activated(Server):
    """A server that inherits its sockets; they stay bound while it is restarted."""

    def __init__(self, database: str, ear: Ear, *flags: str) -> None:
        super().__init__(database, *flags)
        self.ear = ear
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=100) for _ in _NAMES]
        self.web_port, self.transit_port = (each.getsockname()[1] for each in self.sockets)
        self.watchdog_seconds: float | None = None
        self._starts = 0

    def descriptors(self) -> list[int]:
        """The descriptors of the sockets, and those that were kept."""
        return [*(each.fileno() for each in self.sockets), *(each for _, each in self.ear.kept)]

    def command_line(self) -> list[str]:
        """The command that starts it."""
        descriptors = ",".join(map(str, self.descriptors()))
        names = ":".join([*_NAMES, *(name for name, _ in self.ear.kept)])
        endpoints = [f"--{name}=systemd:domain=INET:name={name}" for name in _NAMES]
        return [
            *(sys.executable, "-c", _LAUNCHER, descriptors, names),
            *(str(BIN / "wormhole-server"), "run"),
            *endpoints,
            "--metrics=tcp:0:interface=127.0.0.1",
            f"--database={self._database}",
            *self._flags,
        ]

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._starts += 1
        environment = {"NOTIFY_SOCKET": str(self.ear.path)}
        if self.watchdog_seconds is not None:
            environment["WATCHDOG_USEC"] = str(round(self.watchdog_seconds * 1e6))
        self.program = Program(
            self.command_line(), environment=environment, descriptors=self.descriptors()
        )
        self.ear.wait_for("READY=1", self._starts)
        metrics = self.program.wait_for(r"http://127\.0\.0\.1:(\d+)/metrics")
        self.metrics_port = int(metrics[1])

    def begin_to_stop(self) -> None:
        """Send SIGTERM, and wait until it is stopping."""
        assert self.program is not None
        self.program.process.send_signal(signal.SIGTERM)
        self.ear.wait_for("STOPPING=1", self._starts)

    def restart(self) -> None:
        """As `systemctl restart` does with the unit."""
        self.restart_with(lambda: None)

    def restart_with(self, meanwhile: Callable[[], None]) -> None:
        """Restart it, and do something while there is no process."""
        assert self.program is not None
        self.program.process.send_signal(signal.SIGURG)
        self.begin_to_stop()
        assert self.has_stopped() == 0
        meanwhile()
        self.start()

    def has_stopped(self) -> int:
        """Wait until it has ended; returns its exit status."""
        assert self.program is not None
        self.program.finish()
        return self.stop()

    def hang_up(self) -> None:
        """As `systemctl reload` does."""
        assert self.program is not None
        self.program.process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        """Stop it, and close the sockets."""
        self.kill()
        for each in self.sockets:
            each.close()
