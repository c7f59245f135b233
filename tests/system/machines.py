"""
Machines with systemd as PID 1, made of one archive. As root only.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.processes import BIN, Program, until

HERE = Path(__file__).parent
SERVICE = "wormhole-server.service"
SOCKETS = ("wormhole-server.socket", "wormhole-server-transit.socket")
TEXT = "--text=still here"
SETTINGS = "/etc/wormhole-server.toml"
# Longer than `SECONDS`: a whole system starts.
_BOOT_SECONDS = 300.0
# Connects to the web root, and prints the status of the answer, or why there is none.
_GET = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:4000" + sys.argv[1], timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print(type(error).__name__)
"""


class Machine:
    """A booted machine."""

    def __init__(self, leader: str) -> None:
        self._leader = leader

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        done = subprocess.run(
            ["nsenter", "--target", self._leader, "--all", *command],
            check=False,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def wormhole(self, *arguments: str, cwd: Path) -> Program:
        """The `wormhole` command of this machine, in the network of that one, with options for its server."""
        server = ("--relay-url=ws://127.0.0.1:4000/v1", "--transit-helper=tcp:127.0.0.1:4001")
        network = ("nsenter", "--target", self._leader, "--net")
        return Program([*network, str(BIN / "wormhole"), *server, *arguments], cwd=cwd)

    @contextmanager
    def sending(self, where: Path, *what: str) -> Iterator[tuple[Program, str]]:
        """Have `wormhole` send something, such as `TEXT`; with its code."""
        sender = self.wormhole("send", "--hide-progress", *what, cwd=where)
        try:
            yield sender, sender.wait_for(r"Wormhole code is: (\S+)")[1]
        finally:
            sender.end()

    def receive_text(self, where: Path, sender: Program, code: str) -> None:
        """Have `wormhole` receive `TEXT`; both ends succeed."""
        receiver = self.wormhole("receive", "--hide-progress", code, cwd=where)
        try:
            assert receiver.finish() == 0, receiver.output
            assert sender.finish() == 0, sender.output
        finally:
            receiver.end()
        assert TEXT.partition("=")[2] in receiver.output

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()

    def get(self, path: str) -> str:
        """The status of a page, as a client in the machine sees it."""
        return self.run("python3", "-c", _GET, path).stdout.strip()

    def configure(self, *lines: str) -> None:
        """Replace the settings."""
        text = "\n".join(['database = "sqlite:////var/lib/wormhole-server/a.db"', *lines])
        self.run("sh", "-c", f"cat >{SETTINGS} <<'END'\n{text}\nEND")

    def journal(self, *options: str) -> str:
        """The messages of the service."""
        return self.run(
            "journalctl", "--no-pager", "--output=cat", f"--unit={SERVICE}", *options
        ).stdout


def make_archive(archive: Path) -> None:
    """Write what machines are made of."""
    subprocess.run([str(HERE / "root.sh"), str(archive)], check=True)


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The root directory of a machine that was never booted."""
    place = Path(tempfile.mkdtemp(prefix="wormhole-machine-"))
    try:
        root = place / "root"
        root.mkdir()
        subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={root}"], check=True)
        yield root
    finally:
        shutil.rmtree(place)


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """The machine, until it is shut down in good order."""
    boot = Program([str(HERE / "boot.sh"), str(root), f"wormhole-{os.getpid()}"])
    try:
        until(lambda: "leader" in boot.output or boot.process.poll() is not None, _BOOT_SECONDS)
        yield Machine(boot.wait_for(r"leader (\d+)")[1])
    finally:
        boot.end(signal.SIGTERM)
