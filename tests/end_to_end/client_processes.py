"""
Processes for the client's end-to-end tests: servers, our command line and the reference client's.

The servers can be killed and started again on the same ports. They are this project's, unless the
environment variable WORMHOLE_OTHER_SERVERS names a virtual environment with the reference servers.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from tests.ports import free_port

BIN: Final = Path(sys.executable).parent
OTHER: Final = os.environ.get("WORMHOLE_OTHER_SERVERS")
START_SECONDS: Final = 60.0
RUN_SECONDS: Final = 60.0


@attrs.define
class Servers:
    """A rendezvous server and a relay, in a directory of their own."""

    directory: Path
    rendezvous: int = attrs.field(factory=free_port)
    transit: int = attrs.field(factory=free_port)
    transit_websocket: int = attrs.field(factory=free_port)
    running: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    @property
    def relay_url(self) -> str:
        return f"ws://127.0.0.1:{self.rendezvous}/v1"

    @property
    def helper(self) -> str:
        return f"tcp:127.0.0.1:{self.transit}"

    @property
    def helper_websocket(self) -> str:
        if OTHER:
            return f"ws://127.0.0.1:{self.transit_websocket}/"
        return f"ws://127.0.0.1:{self.rendezvous}/transit"

    @property
    def options(self) -> list[str]:
        return [f"--relay-url={self.relay_url}", f"--transit-helper={self.helper}"]

    def commands(self) -> list[list[str]]:
        local = "interface=127.0.0.1"
        if not OTHER:
            return [
                [
                    str(BIN / "wormhole-server"),
                    "run",
                    f"--rendezvous=tcp:{self.rendezvous}:{local}",
                    f"--transit=tcp:{self.transit}:{local}",
                    "--metrics=none",
                    f"--database=sqlite:///{self.directory / 'server.db'}",
                ]
            ]
        twist = str(Path(OTHER) / "bin" / "twist")
        return [
            [
                twist,
                "wormhole-mailbox",
                f"--port=tcp:{self.rendezvous}:{local}",
                f"--channel-db={self.directory / 'channel.sqlite'}",
            ],
            [
                twist,
                "transitrelay",
                f"--port=tcp:{self.transit}:{local}",
                f"--websocket=tcp:{self.transit_websocket}:{local}",
                f"--websocket-url=ws://127.0.0.1:{self.transit_websocket}/",
            ],
        ]

    def start(self) -> None:
        log = (self.directory / "servers.log").open("ab")
        with log:
            self.running = [
                subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log)
                for command in self.commands()
            ]
        for port in (self.rendezvous, self.transit):
            self._wait_for(port)

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if any(process.poll() is not None for process in self.running):
                break
            time.sleep(0.02)
        raise AssertionError((self.directory / "servers.log").read_text()[-2000:])

    def kill(self) -> None:
        """Kill the servers with SIGKILL."""
        for process in self.running:
            process.kill()
            process.wait()
        self.running = []


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory() as directory:
        made = Servers(Path(directory))
        made.start()
        try:
            yield made
        finally:
            made.kill()


def ours(*arguments: str) -> list[str]:
    """Make a command line of this project's client."""
    return [sys.executable, "-m", "wormhole_client", *arguments]


def theirs(options: Sequence[str], *arguments: str) -> list[str]:
    """Make a command line of the reference client."""
    return [str(BIN / "wormhole"), *options, *arguments]


@attrs.frozen
class Outcome:
    """The output and the exit status of a process."""

    status: int
    out: str
    err: str


def run_together(
    *commands: Sequence[str], cwds: Sequence[Path | None] = (), stdin: str = ""
) -> list[Outcome]:
    """Run all at the same time, to their ends."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    directories = list(cwds) or [None] * len(commands)
    running = [
        subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for command, directory in zip(commands, directories, strict=True)
    ]
    outcomes = []
    try:
        for process in running:  # each may ask before another has ended
            if process.stdin is not None:
                process.stdin.write(stdin)
                process.stdin.close()
                process.stdin = None
        for process in running:
            out, err = process.communicate(timeout=RUN_SECONDS)
            outcomes.append(Outcome(process.returncode, out, err))
    finally:
        for process in running:
            process.kill()
            process.wait()
    return outcomes
