"""
What every benchmark needs: the other servers' environment, ports, server processes and what
they cost, medians and tables.

It knows no protocol. Everything that a run leaves behind is under `.bench/`.
"""

import contextlib
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".bench"
# Everything comes from one address, faster than people do. What the bounds cost is measured all the same.
BOUNDS_OUT_OF_REACH = [
    "--address-storage-limit=1024GiB",
    "--address-nameplate-limit=1000000",
    "--address-nameplate-rate=1000000",
    "--address-guess-limit=1000000",
    "--mailbox-listener-limit=1000000",
]
OURS = Path(sys.executable).parent  # where `wormhole-server` is installed

OTHER_PACKAGES = ("magic-wormhole-mailbox-server==0.8.0", "magic-wormhole-transit-relay==0.5.0")

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


def install_other(given: Path | None) -> Path:
    """
    The `bin` directory of an environment with the other servers.

    :param given: an environment that has them already; otherwise `.bench/other` is made once.
    """
    place = given or WORK / "other"
    twist = place / "bin" / "twist"
    if twist.exists():
        return twist.parent
    if given is not None:
        raise BenchError(
            f"{twist} does not exist: --other wants an environment with {OTHER_PACKAGES}"
        )
    say(f"installing {', '.join(OTHER_PACKAGES)} in {place}")
    venv.create(place, with_pip=True, clear=True)
    pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, *OTHER_PACKAGES], check=False).returncode != 0:
        shutil.rmtree(place)
        raise BenchError("pip could not install the other servers (its words are above)")
    return twist.parent


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def raise_file_limit() -> int:
    """Let this process and those it starts open as many files as the system allows them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for wanted in (200_000, hard):  # raising the hard limit needs a privilege that root may lack
        if wanted >= hard:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
                break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the disk that holds the checkout, gone afterwards."""
    WORK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=WORK) as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as a user of its own when started by root
        yield Path(name)


# What a process costs


def process_tree(pid: int) -> Iterator[int]:
    """`pid` and all that it has started and that are still there."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from process_tree(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads and children of `pid`, ended ones included."""
    ticks = 0
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold spaces: the fields are counted from behind it.
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of `pid` and its children (pages they share are counted for each)."""
    total = 0
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total


@attrs.define
class ServerProcess:
    """
    A server under test. Use it as a context manager: inside, it accepts connections.

    :ivar port: where it is expected to listen, on 127.0.0.1.
    :ivar log: takes its output, and is quoted when it does not start.
    """

    name: str
    argv: Sequence[str]
    port: int
    log: Path
    environment: Mapping[str, str] = attrs.field(factory=dict)
    directory: Path = ROOT
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BenchError(f"{self.name} is not running")
        return self._process.pid

    def __enter__(self) -> Self:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise BenchError(f"{self.name} did not start: {' '.join(self.argv)}\n{tail}")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


# What is shown


def say(text: str) -> None:
    """Progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)


def median(values: Sequence[float | None]) -> float | None:
    """The median of what was measured; none where nothing was."""
    measured = [value for value in values if value is not None]
    return statistics.median(measured) if measured else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` of all `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def figure(value: float | None) -> str:
    """Three significant digits, and no exponent."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


LEAST_ROUNDS = 3
"""A ratio of fewer measurements would say more about chance than about the programs."""


def ratio(ours: float | None, theirs: float | None, rounds: int) -> str:
    """How many times greater ours is; nothing from fewer than `LEAST_ROUNDS`."""
    return figure(ours / theirs) if ours and theirs and rounds >= LEAST_ROUNDS else ""


def machine() -> str:
    """What every figure depends on: the CPU, the versions, the date, the commit, and the load."""
    cpus = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.*)$", cpus, re.MULTILINE)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return (
        f"{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), "
        f"Python {platform.python_version()}, Linux {platform.release()}, "
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, "
        f"load average before: {os.getloadavg()[0]:.2f}."
    )


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table with aligned columns."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def cells(line: Sequence[str]) -> str:
        first = line[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        return f"| {' | '.join([first, *rest])} |"

    print(f"\n### {title}\n")
    print(cells(lines[0]))
    print(f"|{'|'.join(['-' * (widths[0] + 2), *('-' * (w + 1) + ':' for w in widths[1:])])}|")
    for line in lines[1:]:
        print(cells(line))
    sys.stdout.flush()
