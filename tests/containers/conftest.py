"""An engine, and images in it, for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.compose import Project
from tests.containers.engine import Engine
from tests.containers.images import make_all
from tests.end_to_end.processes import two_folders


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """With every image that there can be, ours as `docker-compose build` makes it."""
    running = Engine()
    try:
        running.start()
        make_all(running, tmp_path_factory.mktemp("images"))
        # As Compose does it today, and as 1.29 does it when it is told to.
        Project(running, None, {"COMPOSE_DOCKER_CLI_BUILD": "1", "DOCKER_BUILDKIT": "1"}).compose(
            "build"
        )
        yield running
    finally:
        running.stop()


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    """Where a sender and a receiver are."""
    return two_folders(tmp_path)
