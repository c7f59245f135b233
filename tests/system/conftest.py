"""What machines are made of, once for all tests of this directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.machines import make_archive


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Debian."""
    made = tmp_path_factory.mktemp("machines") / "root.tar"
    make_archive(made)
    return made
