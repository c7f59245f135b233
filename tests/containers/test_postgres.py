"""
The profile `postgres`: two servers on PostgreSQL behind HAProxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.compose import Project, starting
from tests.containers.engine import Engine
from tests.containers.exchanges import send_file, survive

SERVICES = ("haproxy", "one", "postgres", "two")


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Project]:
    variables = {"SQLITE_SERVERS": "0", "POSTGRES_PASSWORD": "s3cret"}
    with starting(Project(engine, "postgres", variables), *SERVICES) as project:
        yield project


def test_in_place(running: Project) -> None:
    """The server on SQLite is not started beside them."""
    assert running.services() == set(SERVICES)


def test_postgres(running: Project) -> None:
    """Both use PostgreSQL, which only they reach."""
    for service in ("one", "two"):
        shown = running.inside(service, "wormhole-server", "config", "show")
        assert 'database = "postgresql+psycopg://wormhole:***@postgres/wormhole"' in shown
    networks = running.inspect(running.container("postgres"))["NetworkSettings"]["Networks"]
    assert [name.partition("_")[2] for name in networks] == ["database"]


def test_file(running: Project, ends: tuple[Path, Path]) -> None:
    """Files go through, whichever instance the two ends are on."""
    for number in range(3):
        there, here = (each / str(number) for each in ends)
        there.mkdir()
        here.mkdir()
        send_file(running, (there, here))
    served = [
        float(line.split()[1])
        for service in ("one", "two")
        for line in running.inside(
            service,
            "python3",
            "-c",
            "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9400/metrics').read().decode())",
        ).splitlines()
        if line.startswith("wormhole_rendezvous_connections_total")
    ]
    assert sum(served) == 6
    assert all(served), "one has got them all"


def test_crash(running: Project, ends: tuple[Path, Path]) -> None:
    """Instances, PostgreSQL and HAProxy are killed while a sender waits; the receiver gets the text."""
    survive(running, ends, "one", "two", "postgres", "haproxy")
