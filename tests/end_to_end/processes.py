"""
The real programs, started as an operator and their friends start them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.request import urlopen

import psutil

from tests.ports import free_port

BIN = Path(sys.executable).parent
SECONDS = 60.0
RUN = (str(BIN / "wormhole-server"), "run")
_PASTE = re.compile(
    r"--relay-url=ws://([^ ]+):(\d+)(?:/PATH-PREFIX)?/v1 --transit-helper=tcp:([^ ]+):(\d+)"
)
WAYS = {
    "run": [*RUN],
    "twist": [str(BIN / "twist"), "--log-format=text", "wormhole-server"],
    "twistd": [str(BIN / "twistd"), "--nodaemon", "--pidfile=", "wormhole-server"],
}
# Tests come from one address, and faster than people do. A flag of a test overrides it.
_FROM_ONE_ADDRESS = {
    f"WORMHOLE_SERVER_ADDRESS_{name}": "none"
    for name in ("NAMEPLATE_LIMIT", "NAMEPLATE_RATE", "GUESS_LIMIT")
}
LOOPBACK = "tcp:{}:interface=127.0.0.1"


class Program:
    """A process whose output is read all the time, so that it never waits for a reader."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        answer: str | None = None,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "LC_ALL": "C.UTF-8",
                **(environment or {}),
            },
            pass_fds=descriptors,
        )
        assert self.process.stdin is not None
        if answer is not None:
            self.process.stdin.write(answer)
        self.process.stdin.close()
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """Its output so far."""
        return "".join(self.lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for the first match in the output; fails when the program ends without one."""
        found: re.Match[str] | None = None

        def there() -> bool:
            nonlocal found
            found = re.search(pattern, self.output)
            return found is not None or self._over

        with self._news:
            self._news.wait_for(there, SECONDS)
        if found is None:
            raise AssertionError(f"{pattern!r} is not in the output:\n{self.output}")
        return found

    def finish(self, seconds: float = SECONDS) -> int:
        """Wait until it ends by itself; returns its exit status."""
        status: int = self.process.wait(seconds)
        self._reader.join(SECONDS)
        return status

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Kill it, if it has not ended yet."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.finish()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()
        self.process.stdout.close()


class Server:
    """
    `wormhole-server run` on free ports of 127.0.0.1, which it keeps over restarts.

    :param command: another way to start it.
    """

    def __init__(
        self,
        database: str,
        *flags: str,
        command: Sequence[str] = RUN,
        environment: Mapping[str, str] = _FROM_ONE_ADDRESS,
    ) -> None:
        self._database = database
        self._flags = flags
        self._command = command
        self._environment = environment
        self.web_port, self.transit_port, self.metrics_port = (free_port() for _ in range(3))
        self.path_prefix = ""
        self.outputs: list[str] = []
        self.program: Program | None = None

    @property
    def relay_url(self) -> str:
        return f"ws://127.0.0.1:{self.web_port}{self.path_prefix}/v1"

    @property
    def transit_url(self) -> str:
        return f"ws://127.0.0.1:{self.web_port}{self.path_prefix}/transit"

    @property
    def transit_helper(self) -> str:
        return f"tcp:127.0.0.1:{self.transit_port}"

    @property
    def output(self) -> str:
        """Its output so far, over all restarts."""
        return "".join([*self.outputs, self.program.output if self.program else ""])

    def command_line(self) -> list[str]:
        """The command that starts it."""
        return [
            *self._command,
            "--rendezvous=" + LOOPBACK.format(self.web_port),
            "--transit=" + LOOPBACK.format(self.transit_port),
            "--metrics=" + LOOPBACK.format(self.metrics_port),
            f"--database={self._database}",
            *self._flags,
        ]

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.program = Program(self.command_line(), environment=self._environment)
        paste = self.program.wait_for(_PASTE.pattern)
        self.web_port, self.transit_port = int(paste[2]), int(paste[4])
        metrics = self.program.wait_for(r"http://127\.0\.0\.1:(\d+)/metrics")
        self.metrics_port = int(metrics[1])

    def kill(self) -> None:
        """Kill it, as a power failure does."""
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; returns its exit status."""
        if self.program is None:
            return 0
        status = self.program.end(how)
        self.outputs.append(self.program.output)
        self.program = None
        return status

    def get(self, path: str) -> str:
        """A page of the web root."""
        with urlopen(f"http://127.0.0.1:{self.web_port}{path}", timeout=SECONDS) as page:
            return str(page.read().decode())

    def metrics(self) -> dict[str, float]:
        """All series with their labels and values."""
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=SECONDS) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def rss_kib(self) -> int:
        """Resident memory of the process."""
        assert self.program is not None
        status = Path(f"/proc/{self.program.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]


class Succeeded(Server):
    """A server that is taken over by another process each time that it is started again."""

    def __init__(self, where: Path, *flags: str) -> None:
        self.path = where / "take-over"
        super().__init__(f"sqlite:///{where / 'server.db'}", f"--take-over={self.path}", *flags)

    def succeed(self, command: Sequence[str] = RUN) -> None:
        """Start the next process, which ends the one before."""
        before, self._command = self.program, command
        assert before is not None
        self.start()
        assert before.finish() == 0, before.output
        self.outputs.append(before.output)


@contextmanager
def serving(
    database: str, *flags: str, environment: Mapping[str, str] = _FROM_ONE_ADDRESS
) -> Iterator[Server]:
    """A server for the time of a test."""
    server = Server(database, *flags, environment=environment)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)


def until(so: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.05)


def wait_until_ended(*processes: psutil.Process) -> None:
    """
    Wait until processes that others have started run no more.

    One that has ended stays in the process table, as a zombie, where PID 1 does not reap.
    """

    def has_ended(process: psutil.Process) -> bool:
        try:
            return bool(process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    until(lambda: all(map(has_ended, processes)))


class Reachable(Protocol):
    """A server for clients, or a proxy in front of several."""

    @property
    def relay_url(self) -> str: ...

    @property
    def transit_helper(self) -> str: ...

    @property
    def output(self) -> str: ...


def wormhole(server: Reachable, *arguments: str, cwd: Path) -> Program:
    """The `wormhole` command, with options to use only `server`."""
    return Program(
        [
            str(BIN / "wormhole"),
            f"--relay-url={server.relay_url}",
            f"--transit-helper={server.transit_helper}",
            *arguments,
        ],
        cwd=cwd,
    )


def two_folders(parent: Path) -> tuple[Path, Path]:
    """Make a folder for a sender and one for a receiver."""
    there, here = parent / "there", parent / "here"
    there.mkdir()
    here.mkdir()
    return there, here


def transfer(
    server: Reachable, send: Sequence[str], receive: Sequence[str], there: Path, here: Path
) -> tuple[Program, Program]:
    """Send with one `wormhole` and receive with another, each in its directory; both succeed."""
    sender = wormhole(server, "send", "--hide-progress", *send, cwd=there)
    receiver = None
    try:
        code = sender.wait_for(r"Wormhole code is: (\S+)")[1]
        receiver = wormhole(server, "receive", "--hide-progress", *receive, code, cwd=here)
        statuses = receiver.finish(), sender.finish()
    finally:
        sender.end()
        if receiver is not None:
            receiver.end()
    assert statuses == (0, 0), f"{statuses}\n{sender.output}\n{receiver.output}\n{server.output}"
    return sender, receiver
