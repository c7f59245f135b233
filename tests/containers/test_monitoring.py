"""
The profile `monitoring`: Debian's Prometheus with our configuration and rules. Grafana is not in Debian.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests.containers.compose import Project, starting
from tests.containers.engine import Engine

SECONDS = 90.0


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Project]:
    project = Project(engine, "monitoring", {})
    with starting(project, "server", "prometheus", alone=True):
        yield project


def ask(running: Project, path: str) -> Any:
    with urlopen(
        f"http://127.0.0.1:{running.ports['PROMETHEUS']}/api/v1/{path}", timeout=10.0
    ) as page:
        return json.load(page)["data"]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_checked(running: Project) -> None:
    """promtool finds nothing wrong with the configuration and the rules that it names."""
    said = running.inside(
        "prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml"
    )
    assert "SUCCESS" in said
    assert "rules found" in said


def test_scraped(running: Project) -> None:
    """Prometheus finds the server by its name, and its figures are there."""

    def up() -> list[tuple[str, str]]:
        found = ask(running, "query?query=up")["result"]
        return [(each["metric"]["instance"], each["value"][1]) for each in found]

    until(lambda: up() == [("server", "1")])
    (connected,) = ask(running, "query?query=wormhole_rendezvous_connected_clients")["result"]
    assert connected["value"][1] == "0"


def test_rules(running: Project) -> None:
    """Every rule is loaded, and evaluated without an error."""

    def rules() -> list[dict[str, Any]]:
        return [rule for group in ask(running, "rules")["groups"] for rule in group["rules"]]

    assert rules()
    until(lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert [rule for rule in rules() if rule["health"] != "ok"] == []
