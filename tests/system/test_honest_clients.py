"""
Honest clients behind one address, on a server with its defaults: none of them meets a bound.

The address is not of loopback, where any number of connections is allowed. As root only: it is added to `lo`.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.end_to_end.processes import Program, Server, serving, transfer, wormhole
from tests.ports import free_port

_ADDRESS = "198.51.100.7"
_PAIRS = 20
_CODE = r"Wormhole code is: (\S+)"


@attrs.frozen
class _Office:
    """The server, as clients behind the address see it."""

    server: Server
    web: int
    transit: int

    @property
    def relay_url(self) -> str:
        return f"ws://{_ADDRESS}:{self.web}/v1"

    @property
    def transit_helper(self) -> str:
        return f"tcp:{_ADDRESS}:{self.transit}"

    @property
    def output(self) -> str:
        return self.server.output


@pytest.fixture
def office(tmp_path: Path) -> Iterator[_Office]:
    """A server that is also reached at the address, and has seen no bound met at the end."""
    subprocess.run(["ip", "address", "add", f"{_ADDRESS}/32", "dev", "lo"], check=True)
    try:
        web, transit = free_port(), free_port()
        ends = (
            f"--rendezvous=tcp:{web}:interface={_ADDRESS}",
            f"--transit=tcp:{transit}:interface={_ADDRESS}",
        )
        with serving(f"sqlite:///{tmp_path / 'server.db'}", *ends, environment={}) as server:
            yield _Office(server, web, transit)
            met = {
                name: value
                for name, value in server.metrics().items()
                if "bounds_met_total" in name
            }
            assert met, "the metric has another name"
            assert not any(met.values()), met
    finally:
        subprocess.run(["ip", "address", "del", f"{_ADDRESS}/32", "dev", "lo"], check=True)


def test_wormhole(office: _Office, tmp_path: Path) -> None:
    """`wormhole` sends a text, a file and a directory, through the relay."""
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "tree").mkdir(parents=True)
    here.mkdir()
    data = random.Random(1).randbytes(3_000_000)
    (there / "file.bin").write_bytes(data)
    (there / "tree" / "inside").write_bytes(data)
    transfer(office, ["--text", "hello"], [], there, here)
    for name in ("file.bin", "tree"):
        transfer(office, ["--no-listen", name], ["--no-listen", "--accept-file"], there, here)
    assert (here / "file.bin").read_bytes() == (here / "tree" / "inside").read_bytes() == data


def test_pairs_at_once(office: _Office, tmp_path: Path) -> None:
    """Twenty pairs send each other a text at the same time."""
    programs: list[Program] = []
    try:
        senders = [
            wormhole(office, "send", "--text", f"text {number}", cwd=tmp_path)
            for number in range(_PAIRS)
        ]
        programs += senders
        receivers = []
        for sender in senders:
            code = sender.wait_for(_CODE)[1]
            receivers.append(wormhole(office, "receive", code, cwd=tmp_path))
            programs.append(receivers[-1])
        assert [program.finish() for program in programs] == [0] * 2 * _PAIRS, office.output
        for number, receiver in enumerate(receivers):
            assert f"text {number}" in receiver.output
    finally:
        for program in programs:
            program.end()
