"""The servers under attack: a process on a fresh SQLite file, and what it says of itself."""

import contextlib
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import attrs

from bench.common import OURS, ServerProcess, free_port, rss_bytes
from bench.rendezvous.servers import Kind, Servers

_BOUND = re.compile(r'^wormhole_process_bounds_met_total\{bound="(\w+)"\} ([\d.]+)', re.MULTILINE)


@attrs.frozen
class ServerUnderAttack:
    """
    A server that accepts connections.

    :ivar web: its port on 127.0.0.1, like `relay` and `metrics`, which are 0 where it has none.
    """

    pid: int
    directory: Path
    web: int
    relay: int
    metrics: int

    def rss_bytes(self) -> int:
        """Its resident memory."""
        return rss_bytes(self.pid)

    def disk_bytes(self) -> int:
        """The size of its database, and of its log."""
        return sum(file.stat().st_size for file in self.directory.iterdir())

    def bounds_met(self) -> dict[str, int]:
        """How often clients have met which bound."""
        if not self.metrics:
            return {}
        url = f"http://127.0.0.1:{self.metrics}/metrics"
        with urllib.request.urlopen(url, timeout=20) as page:
            met = _BOUND.findall(page.read().decode())
        return {name: int(float(count)) for name, count in met if float(count)}


@contextlib.contextmanager
def running_theirs(directory: Path, programs: Path) -> Iterator[ServerUnderAttack]:
    """
    Inside, magic-wormhole-mailbox-server runs, which has no relay.

    :param directory: for its database; made here.
    :param programs: the `bin` directory that it is in.
    """
    directory.mkdir()
    with Servers(programs, directory).running(Kind.THEIRS) as server:
        yield ServerUnderAttack(server.pid, directory, server.port, relay=0, metrics=0)


@contextlib.contextmanager
def running(directory: Path, *flags: str) -> Iterator[ServerUnderAttack]:
    """
    Inside, a server runs with its default settings, but for `flags`.

    :param directory: for its database; made here.
    """
    directory.mkdir()
    web, relay, metrics = (free_port() for _ in range(3))
    argv = [
        str(OURS / "wormhole-server"),
        "run",
        f"--rendezvous=tcp:{web}:interface=127.0.0.1",
        f"--transit=tcp:{relay}:interface=127.0.0.1",
        f"--metrics=tcp:{metrics}:interface=127.0.0.1",
        f"--database=sqlite:///{directory}/server.db",
        *flags,
    ]
    with ServerProcess("ours", argv, web, directory / "log") as server:
        yield ServerUnderAttack(server.pid, directory, web, relay, metrics)
