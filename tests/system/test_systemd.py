"""
The systemd units: what systemd's own tools say of them, and the server under their rules.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.certificates import Authority
from tests.end_to_end.processes import BIN, SECONDS, Program, Server, transfer, two_folders
from tests.ports import free_port
from tests.project.markdown import blocks
from tests.system import confined

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICE = UNITS / "wormhole-server.service"
INSTALLED = "/usr/local/bin/wormhole-server"


def _start_line() -> str:
    (line,) = re.findall(r"^ExecStart=(.*)$", SERVICE.read_text(), re.MULTILINE)
    return str(line)


def test_verify(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say."""
    for unit in UNITS.glob("wormhole-server*.*"):
        if unit.suffix in {".service", ".socket"}:
            text = unit.read_text().replace(INSTALLED, str(BIN / "wormhole-server"))
            (tmp_path / unit.name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    assert len(units) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_security() -> None:
    """The exposure that systemd finds is the one that the docs tell."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(SERVICE)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for wormhole-server.service: ([\d.]+)", done.stdout)
    assert found is not None
    told = re.search(
        r"exposure level.{0,20}?([\d.]+\d)", (ROOT / "docs/install-vps.md").read_text()
    )
    assert told is not None
    assert found[1] == told[1]


def test_drop_ins() -> None:
    """No drop-in of the docs takes a dependency back: systemd only ever adds them, without a word."""
    drop_ins = "\n".join(blocks(ROOT / "docs/install-vps.md"))
    assert "[Service]" in drop_ins
    assert re.findall(r"^(?:Requires|Wants|After|Before|Sockets)=$", drop_ins, re.MULTILINE) == []


def test_commands_find_the_database(tmp_path: Path) -> None:
    """With that file, commands find the database that the unit's server has, from any directory."""
    (state,) = re.findall(r"^StateDirectory=(.*)$", SERVICE.read_text(), re.MULTILINE)
    program = Program(
        [
            str(BIN / "wormhole-server"),
            "config",
            "show",
            f"--config={UNITS / 'wormhole-server.toml'}",
        ],
        cwd=tmp_path,
    )
    assert program.finish() == 0
    assert f'database = "sqlite:////var/lib/{state}/wormhole-server.db"' in program.output


def test_configuration(tmp_path: Path) -> None:
    """The file of settings that comes with the units can be used as it is, with the flags of the unit."""
    command = [str(BIN / "wormhole-server"), *_start_line().split()[1:]]
    command[1:2] = ["config", "check"]
    program = Program([*command, f"--config={UNITS / 'wormhole-server.toml'}"], cwd=tmp_path)
    assert program.finish() == 0, program.output


def test_activated(tmp_path: Path) -> None:
    """systemd-socket-activate hands over the sockets under the units' names, and all is served on them."""
    ports = {"rendezvous": free_port(), "transit": free_port()}
    names = {
        name: re.search(r"^FileDescriptorName=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
        for name, unit in (
            ("rendezvous", "wormhole-server.socket"),
            ("transit", "wormhole-server-transit.socket"),
        )
    }
    assert all(found is not None and found[1] == name for name, found in names.items())
    listen = [f"--listen=127.0.0.1:{port}" for port in ports.values()]
    server = Server(f"sqlite:///{tmp_path / 'server.db'}")
    server.web_port, server.transit_port = ports["rendezvous"], ports["transit"]
    flags = [flag.replace("INET6", "INET") for flag in _start_line().split()[2:]]
    server.program = Program(
        [
            *("systemd-socket-activate", *listen, f"--fdname={':'.join(ports)}"),
            *(str(BIN / "wormhole-server"), "run", *flags),
            *(f"--database=sqlite:///{tmp_path / 'server.db'}", "--metrics=none"),
        ]
    )
    try:
        server.program.wait_for("Listening on 127.0.0.1:" + str(ports["transit"]))
        # The first who comes has it started, and is served.
        with urlopen(f"http://127.0.0.1:{ports['rendezvous']}/readyz", timeout=SECONDS) as page:
            assert page.status == 200
        there, here = two_folders(tmp_path)
        (there / "file").write_bytes(b"x" * 100_000)
        transfer(server, ["--no-listen", "file"], ["--no-listen", "--accept-file"], there, here)
        assert (here / "file").read_bytes() == b"x" * 100_000
        assert server.stop(signal.SIGTERM) == 0
    finally:
        server.kill()


class TestConfined:
    """Under the unit's filter of system calls, and without memory that is written and executed."""

    def command(self) -> list[str]:
        """What runs the server so."""
        return [sys.executable, confined.__file__, str(SERVICE), sys.executable]

    def test_what_is_forbidden(self) -> None:
        """The rules hold at all: memory cannot become executable, and what is not in the filter fails."""
        for code, what in (
            ("import mmap; mmap.mmap(-1, 4096, prot=7)", "PermissionError"),
            ("import os; os.chroot('/')", "PermissionError"),
        ):
            program = Program([*self.command(), "-c", code])
            assert program.finish() == 1
            assert what in program.output

    def test_serves(self, tmp_path: Path) -> None:
        """A file goes through the relay, in the kernel, and the server is stopped in good order."""
        there, here = two_folders(tmp_path)
        (there / "file").write_bytes(b"x" * 3_000_000)
        server = Server(
            f"sqlite:///{tmp_path / 'server.db'}",
            "--transit-link=splice",
            command=[*self.command(), str(BIN / "wormhole-server"), "run"],
        )
        try:
            server.start()
            assert server.metrics()
            transfer(server, ["--no-listen", "file"], ["--no-listen", "--accept-file"], there, here)
            assert (here / "file").read_bytes() == b"x" * 3_000_000
            assert server.stop(signal.SIGTERM) == 0
            assert "Traceback" not in server.output
        finally:
            server.kill()

    def test_tls(self, tmp_path: Path) -> None:
        """TLS is served under the same rules."""
        authority = Authority()
        key, chain = authority.issue().write(tmp_path)
        flags = [
            *(str(BIN / "wormhole-server"), "run", "--public-host=localhost"),
            f"--rendezvous=ssl:0:privateKey={key}:certKey={chain}:interface=127.0.0.1",
            *("--transit=none", "--metrics=none", f"--database=sqlite:///{tmp_path / 'server.db'}"),
        ]
        program = Program([*self.command(), *flags])
        try:
            port = int(program.wait_for(r"wss://localhost:(\d+)/v1")[1])
            context = authority.client_context()
            with (
                socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as secure,
            ):
                secure.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                assert b" 200 " in secure.recv(4096)
            assert program.end(signal.SIGTERM) == 0
            assert "Traceback" not in program.output
        finally:
            program.end()


@pytest.mark.parametrize("program", ["systemd-analyze", "systemd-socket-activate"])
def test_tools_are_here(program: str) -> None:
    """Without systemd's tools nothing above means anything."""
    assert shutil.which(program)
