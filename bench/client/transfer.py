"""
One transfer between two clients on this machine, over a direct connection, and what both of them cost.
"""

import enum
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from bench.common import OURS, BenchError

_CODE = "1-performance-baseline"


class Client(enum.Enum):
    """A client that is measured. The values stand in the tables."""

    OURS = "ours"
    THEIRS = "wormhole"


@attrs.frozen
class Cost:
    """
    What a transfer cost.

    :ivar cpu_seconds: user and system time of both clients.
    :ivar peak_mib: resident memory of the larger one.
    """

    cpu_seconds: float
    peak_mib: float


@attrs.frozen
class Servers:
    """Where the clients meet."""

    relay_url: str
    transit_helper: str

    def transfer(self, sender: Client, receiver: Client, what: Path, memory: Path) -> Cost:
        """
        Send a file or a directory, and remove what has arrived.

        :param memory: where it arrives, and where the clients put what is temporary.
        :raises BenchError: it did not arrive.
        """
        log = memory / "log"
        into = memory / "arrived"
        into.mkdir()
        with log.open("wb") as output:
            started = [
                subprocess.Popen(
                    argv,
                    cwd=into,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # Installed programs are compiled, and so is ours once it has been started.
                    env={**os.environ, "TMPDIR": str(memory), "PYTHONDONTWRITEBYTECODE": ""},
                )
                for argv in (self._send(sender, what), self._receive(receiver))
            ]
            ends = [os.wait4(process.pid, 0) for process in started]
        if any(status for _, status, _ in ends) or not (into / what.name).exists():
            raise BenchError(f"a transfer failed:\n{log.read_text()}")
        shutil.rmtree(into)
        usages = [usage for _, _, usage in ends]
        return Cost(
            sum(usage.ru_utime + usage.ru_stime for usage in usages),
            max(usage.ru_maxrss for usage in usages) / 1024,
        )

    def _options(self) -> list[str]:
        return [f"--relay-url={self.relay_url}", f"--transit-helper={self.transit_helper}"]

    def _send(self, client: Client, what: Path) -> Sequence[str]:
        options = ["--hide-progress", f"--code={_CODE}"]
        if client is Client.OURS:
            return [str(OURS / "wormhole-client"), "send", *self._options(), *options, str(what)]
        return [str(OURS / "wormhole"), *self._options(), "send", "--no-qr", *options, str(what)]

    def _receive(self, client: Client) -> Sequence[str]:
        if client is Client.OURS:
            command = [str(OURS / "wormhole-client"), "receive", *self._options(), "--accept"]
        else:
            command = [str(OURS / "wormhole"), *self._options(), "receive", "--accept-file"]
        return [*command, "--hide-progress", _CODE]
