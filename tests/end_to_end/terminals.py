"""Programs that run in a terminal of their own, as a user starts them."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

CTRL_C: Final = b"\x03"
SECONDS: Final = 60.0


class Terminal:
    """A terminal, and the program whose controlling terminal it is."""

    def __init__(self, command: Sequence[str], cwd: Path | None = None) -> None:
        self.output = ""
        self._descriptor, inner = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=cwd,
            env=environment,
        )
        self._inner = inner

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._descriptor, keys)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows something; fails when the program ends without it."""
        deadline = time.monotonic() + SECONDS
        while (found := re.search(pattern, self.output)) is None:
            over = self.process.poll() is not None
            if not self._read(0.1) and over:
                raise AssertionError(f"{pattern!r} is not in the output:\n{self.output}")
            assert time.monotonic() < deadline, self.output
        return found

    def finish(self) -> int:
        """Wait until the program ends by itself; return its exit status."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None:
            self._read(0.1)
            assert time.monotonic() < deadline, self.output
        while self._read(0):
            pass
        return self.process.returncode

    def has_echo(self) -> bool:
        """Whether what is typed is shown, as a shell needs it."""
        return bool(termios.tcgetattr(self._inner)[3] & termios.ECHO)

    def close(self) -> None:
        """Kill the program, if it has not ended, and close the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._inner)
        os.close(self._descriptor)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        data = os.read(self._descriptor, 65536) if ready else b""
        self.output += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def terminal(command: Sequence[str], cwd: Path | None = None) -> Iterator[Terminal]:
    """A terminal for the time of a test."""
    opened = Terminal(command, cwd)
    try:
        yield opened
    finally:
        opened.close()
