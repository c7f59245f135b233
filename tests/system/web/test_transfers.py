"""The browser client in real browsers, with itself and with the real `wormhole`: what is sent arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.web.conftest import MakePeer
from tests.system.web.contents import make_content
from tests.system.web.peers import WAYS, transfer

KINDS = ["text", "empty file", "3 bytes", "70 KiB", "several files"]


@pytest.mark.parametrize("kind", [*KINDS, "directory", "64 MiB"])
@pytest.mark.parametrize(("sender", "receiver"), WAYS)
def test_chromium(
    make_peer: MakePeer, folders: tuple[Path, Path], sender: str, receiver: str, kind: str
) -> None:
    """Whatever is sent arrives, with the page in Chromium."""
    transfer(make_peer(sender), make_peer(receiver), make_content(kind, folders[0]))


@pytest.mark.parametrize("kind", [*KINDS, "16 MiB"])
@pytest.mark.parametrize(("sender", "receiver"), WAYS)
def test_firefox(
    make_fox_peer: MakePeer, folders: tuple[Path, Path], sender: str, receiver: str, kind: str
) -> None:
    """Whatever is sent arrives, with the page in Firefox, where a test cannot drop a directory."""
    transfer(make_fox_peer(sender), make_fox_peer(receiver), make_content(kind, folders[0]))


def test_directory_to_firefox(make_fox_peer: MakePeer, folders: tuple[Path, Path]) -> None:
    """A directory that `wormhole` sends arrives in Firefox as a zip archive with all that is in it."""
    content = make_content("directory", folders[0])
    transfer(make_fox_peer("wormhole"), make_fox_peer("page"), content)
