"""
`docker-compose.yml` as an operator starts it: with a profile and a few variables.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.containers.engine import Engine, run
from tests.containers.images import COMPOSE_FILES
from tests.ports import free_port

HEALTHY_SECONDS = 120.0
# Where what is published is found. No container keeps a port that the system chose over its restart.
_PUBLISHED = ("RENDEZVOUS", "TRANSIT", "HTTP", "HTTPS", "PROMETHEUS", "GRAFANA")


class Project:
    """
    What one `docker-compose up` started.

    :param profile: one of the file's, or none.
    :param variables: what an operator would write into `.env`.
    """

    def __init__(self, engine: Engine, profile: str | None, variables: Mapping[str, str]) -> None:
        self._engine = engine
        self.ports = {name: free_port() for name in _PUBLISHED}
        self._environment = {
            **engine.environment,
            "PATH": f"/usr/bin:{os.environ['PATH']}",
            "COMPOSE_PROJECT_NAME": f"wormhole-{profile or 'sqlite'}",
            "COMPOSE_PROFILES": profile or "",
            # The engine here may give no more; and one need not wait for long for a check.
            "OPEN_FILES": "20000",
            "HEALTH_INTERVAL": "2s",
            **{f"PUBLISH_{name}": f"127.0.0.1:{port}" for name, port in self.ports.items()},
            **variables,
        }

    # What clients can be pointed at; see tests.end_to_end.processes.

    @property
    def relay_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['RENDEZVOUS']}/v1"

    @property
    def transit_helper(self) -> str:
        return f"tcp:127.0.0.1:{self.ports['TRANSIT']}"

    @property
    def output(self) -> str:
        return self.compose("logs", "--no-color")

    def compose(self, *arguments: str) -> str:
        """What `docker-compose` prints."""
        return run(
            ["docker-compose", *(f"--file={file}" for file in COMPOSE_FILES), *arguments],
            environment=self._environment,
        )

    def services(self) -> set[str]:
        """Which have a container."""
        return {
            self.inspect(each)["Config"]["Labels"]["com.docker.compose.service"]
            for each in self.compose("ps", "--quiet", "--all").split()
        }

    def container(self, service: str) -> str:
        """The id of its only container."""
        (container,) = self.compose("ps", "--quiet", service).split()
        return container

    def inspect(self, container: str) -> dict[str, Any]:
        """All that the engine knows of it."""
        (found,) = json.loads(self._engine.docker("inspect", container))
        return dict(found)

    def until_healthy(self, service: str, *, after: str = "") -> None:
        """
        Until its own check says so.

        :param after: when it was started for the last time but one, if it has to have come back.
        """
        container = self.container(service)
        deadline = time.monotonic() + HEALTHY_SECONDS
        while True:
            state = self.inspect(container)["State"]
            if state["StartedAt"] != after and state.get("Health", {}).get("Status") == "healthy":
                return
            assert time.monotonic() < deadline, f"{service}: {state}\n{self.output}"
            time.sleep(0.2)

    def crash(self, service: str) -> None:
        """
        Kill what runs in the container, and wait until it has come back by itself.

        The engine is not asked to: it would take it for the operator's wish that it be gone.
        """
        state = self.inspect(self.container(service))["State"]
        os.kill(state["Pid"], signal.SIGKILL)
        self.until_healthy(service, after=state["StartedAt"])

    def inside(self, service: str, *command: str) -> str:
        """What a command prints that runs in the container."""
        return self._engine.docker("exec", self.container(service), *command)


@contextmanager
def starting(running: Project, *services: str, alone: bool = False) -> Iterator[Project]:
    """
    All that belongs to it, for the time of a test; neither containers nor volumes are left.

    :param services: those that have to become healthy.
    :param alone: start no others.
    """
    try:
        running.compose("up", "--detach", *(services if alone else ()))
        for service in services:
            running.until_healthy(service)
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout=5")
