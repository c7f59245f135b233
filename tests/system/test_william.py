"""
The Go client, wormhole-william of Debian, with itself and with the Python client, through our server.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Program, Server, serving, wormhole
from tests.system.william import CODE, MAY_FAIL, RELAY_FLAG, william

pytestmark = MAY_FAIL


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path / 'server.db'}", RELAY_FLAG) as running:
        yield running


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    """Where the sender and the receiver are, with something to send."""
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "tree" / "deeper").mkdir(parents=True)
    (there / "tree" / "deeper" / "two").write_bytes(random.Random(2).randbytes(300_000))
    (there / "file.bin").write_bytes(random.Random(1).randbytes(1_000_000))
    here.mkdir()
    return there, here


def _send(who: str, server: Server, what: list[str], there: Path) -> Program:
    if who == "go":
        return william(server, "send", "--hide-progress", *what, cwd=there)
    return wormhole(server, "send", "--hide-progress", *what, cwd=there)


def _receive(who: str, server: Server, code: str, here: Path) -> Program:
    if who == "go":
        return william(server, "receive", "--hide-progress", code, cwd=here, answer="y\n")
    return wormhole(server, "receive", "--hide-progress", "--accept-file", code, cwd=here)


def _transfer(
    server: Server, pair: tuple[str, str], what: list[str], ends: tuple[Path, Path]
) -> Program:
    sender = _send(pair[0], server, what, ends[0])
    receiver = None
    try:
        code = sender.wait_for(CODE)[1]
        receiver = _receive(pair[1], server, code, ends[1])
        statuses = receiver.finish(), sender.finish()
    finally:
        sender.end()
        if receiver is not None:
            receiver.end()
    assert statuses == (0, 0), f"{statuses}\n{sender.output}\n{receiver.output}\n{server.output}"
    assert "Traceback" not in server.output
    return receiver


_PAIRS = [("go", "go"), ("go", "python"), ("python", "go")]


@pytest.mark.parametrize("pair", _PAIRS)
def test_text(server: Server, ends: tuple[Path, Path], pair: tuple[str, str]) -> None:
    """A text arrives."""
    receiver = _transfer(server, pair, ["--text", "hello, gopher"], ends)
    assert "hello, gopher" in receiver.output


@pytest.mark.parametrize("pair", _PAIRS)
def test_file(server: Server, ends: tuple[Path, Path], pair: tuple[str, str]) -> None:
    """A file arrives whole."""
    _transfer(server, pair, ["file.bin"], ends)
    assert (ends[1] / "file.bin").read_bytes() == (ends[0] / "file.bin").read_bytes()


@pytest.mark.parametrize("pair", _PAIRS)
def test_directory(server: Server, ends: tuple[Path, Path], pair: tuple[str, str]) -> None:
    """A directory arrives with all that is in it."""
    _transfer(server, pair, ["tree"], ends)
    inside = Path("tree") / "deeper" / "two"
    assert (ends[1] / inside).read_bytes() == (ends[0] / inside).read_bytes()
