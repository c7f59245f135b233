"""The browser client and wormhole-william, the Go client of Debian."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Server, serving
from tests.system.web.conftest import MakePeer
from tests.system.web.contents import make_content
from tests.system.web.peers import transfer
from tests.system.william import MAY_FAIL, RELAY_FLAG

pytestmark = MAY_FAIL


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose relay wormhole-william can use."""
    database = tmp_path_factory.mktemp("server") / "server.db"
    with serving(f"sqlite:///{database}", RELAY_FLAG) as running:
        yield running


KINDS = ["text", "empty file", "3 bytes", "70 KiB", "full directory"]


@pytest.mark.parametrize("kind", KINDS)
def test_from_page(make_peer: MakePeer, folders: tuple[Path, Path], kind: str) -> None:
    """What the page sends arrives, but for an empty directory: wormhole-william makes a file of it."""
    transfer(make_peer("page"), make_peer("wormhole-william"), make_content(kind, folders[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_to_page(make_peer: MakePeer, folders: tuple[Path, Path], kind: str) -> None:
    """What wormhole-william sends arrives; it sends no empty directory."""
    transfer(make_peer("wormhole-william"), make_peer("page"), make_content(kind, folders[0]))
