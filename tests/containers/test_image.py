"""
The image by itself, without Compose.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.containers.engine import Engine

IMAGE = "wormhole-server:local"
STRICT = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
SECONDS = 60.0


@pytest.fixture
def container(engine: Engine) -> Iterator[str]:
    """The image without any setting, on a file system that cannot be written, without rights."""
    name = engine.docker("run", "--detach", *STRICT, IMAGE).strip()
    try:
        yield name
    finally:
        engine.docker("rm", "--force", "--volumes", name)


def state(engine: Engine, container: str) -> dict[str, Any]:
    return dict(json.loads(engine.docker("inspect", "--format={{json .State}}", container)))


def until(engine: Engine, container: str, text: str) -> str:
    """What it has logged, as soon as `text` is in it."""
    deadline = time.monotonic() + SECONDS
    while True:
        said = engine.log_of(container)
        if text in said:
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_strict(engine: Engine, container: str) -> None:
    """It serves as an ordinary user, and its log is free of complaints."""
    said = until(engine, container, "Ready.")
    assert engine.docker("exec", container, "id", "--user").strip() == "10001"
    for word in ("error", "warn", "Traceback"):
        assert word not in said, said
    assert engine.docker("exec", container, "wormhole-server", "health") == "The server is ready.\n"


def test_stop(engine: Engine, container: str) -> None:
    """`docker stop` ends it in good order."""
    until(engine, container, "Ready.")
    engine.docker("stop", "--time=30", container)
    assert state(engine, container)["ExitCode"] == 0


def test_check(engine: Engine) -> None:
    """The health check needs no shell, and says no where the server is not there."""
    found = json.loads(engine.docker("inspect", "--format={{json .Config}}", IMAGE))
    assert found["Healthcheck"]["Test"] == ["CMD", "wormhole-server", "health"]
    assert found["User"] == "10001:10001"
    assert found["StopSignal"] == "SIGTERM"
    with pytest.raises(AssertionError, match=r"nothing answers at 127\.0\.0\.1:4000"):
        engine.docker("run", "--rm", *STRICT, IMAGE, "health")


def test_lean(engine: Engine) -> None:
    """There is nothing in it to install with, and nothing of ours but what serves."""
    listing = engine.docker(
        "run", "--rm", "--entrypoint=ls", IMAGE, "/opt/wormhole-server/bin", "/data"
    ).split()
    assert "wormhole-server" in listing
    assert not [each for each in listing if each.startswith(("pip", "pytest"))]
