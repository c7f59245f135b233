"""
The browser client with a file of 1 GiB. Not in `make test-system`: it takes minutes.

    make test-large
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.web.conftest import MakePeer
from tests.system.web.contents import make_content
from tests.system.web.peers import WAYS, transfer


@pytest.mark.parametrize(("sender", "receiver"), WAYS)
def test_chromium(
    make_peer: MakePeer, folders: tuple[Path, Path], sender: str, receiver: str
) -> None:
    """1 GiB arrives, with the page in Chromium."""
    transfer(make_peer(sender), make_peer(receiver), make_content("1 GiB", folders[0]))
