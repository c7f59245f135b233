"""
The real `wormhole` command sends through the real server: text, file, directory, over the relay.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Server, serving, transfer, two_folders
from tests.end_to_end.stores import STORES, database


@pytest.fixture(params=STORES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server on each kind of database."""
    with database(request.param, tmp_path) as url, serving(url) as running:
        yield running


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    """Where the sender and the receiver are."""
    there, here = two_folders(tmp_path)
    return there, here


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_text(server: Server, ends: tuple[Path, Path]) -> None:
    """A text arrives."""
    _, receiver = transfer(server, ["--text", "hello, wormhole"], [], *ends)
    assert "hello, wormhole" in receiver.output


def test_file_through_the_relay(server: Server, ends: tuple[Path, Path]) -> None:
    """A file arrives whole through the relay, which counts its bytes."""
    there, here = ends
    (there / "file.bin").write_bytes(random.Random(1).randbytes(5_000_000))
    transfer(
        server,
        ["--no-listen", "file.bin"],
        ["--no-listen", "--accept-file"],
        there,
        here,
    )
    assert _digest(here / "file.bin") == _digest(there / "file.bin")
    assert server.metrics()["wormhole_relay_bytes_total"] > 5_000_000


def test_directory_through_the_relay(server: Server, ends: tuple[Path, Path]) -> None:
    """A directory arrives with all that is in it."""
    there, here = ends
    (there / "tree" / "deeper").mkdir(parents=True)
    (there / "tree" / "one").write_text("1")
    (there / "tree" / "deeper" / "two").write_bytes(random.Random(2).randbytes(300_000))
    transfer(server, ["--no-listen", "tree"], ["--no-listen", "--accept-file"], there, here)
    for name in ("tree/one", "tree/deeper/two"):
        assert _digest(here / name) == _digest(there / name)


def test_nothing_private_is_logged(server: Server, ends: tuple[Path, Path]) -> None:
    """After a whole transfer the log holds no address, nameplate, mailbox, token or side."""
    there, here = ends
    (there / "file.bin").write_bytes(b"x" * 100_000)
    sender, _ = transfer(
        server, ["--no-listen", "file.bin"], ["--no-listen", "--accept-file"], there, here
    )
    nameplate = re.search(r"Wormhole code is: (\d+)-", sender.output)
    assert nameplate is not None
    server.stop()
    # The lines about where it listens are for the operator.
    log = [line for line in server.output.splitlines() if "127.0.0.1" not in line or "peer" in line]
    text = "\n".join(log)
    assert re.search(r"\b[0-9a-f]{64}\b", text) is None
    assert re.search(r"\b[0-9a-f]{10,16}\b", text) is None
    assert re.search(r"\b[a-z2-7]{13}\b", text) is None
    assert not [line for line in log if re.search(rf"\b{nameplate[1]}-", line)]
    assert "Traceback" not in text
