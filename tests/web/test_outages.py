"""
The browser client when the server vanishes: at its start, while it waits, and while bytes move.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Server, serving
from tests.web.web_clients import WebClient, endless_file, failure, reach, web_client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of its own for each test."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as running:
        yield running


@pytest.fixture
def sender(server: Server) -> Iterator[WebClient]:
    """A browser that sends."""
    with web_client(server, verify=True) as client:
        yield client


@pytest.fixture
def receiver(server: Server) -> Iterator[WebClient]:
    """A browser that receives."""
    with web_client(server, verify=True) as client:
        client.wait_for(type="welcome")
        yield client


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A file that takes its time."""
    return endless_file(tmp_path / "file.bin")


def test_relay_killed(
    server: Server, sender: WebClient, receiver: WebClient, content: Path, tmp_path: Path
) -> None:
    """A relay that vanishes while bytes move ends both."""
    reach("moving", sender, receiver, content, tmp_path)
    server.kill()
    assert [failure(sender), failure(receiver)] == ["relay-lost", "relay-lost"]


@pytest.mark.parametrize("state", ["waiting-for-peer", "version-ok", "deciding"])
def test_server_restarted(
    state: str,
    server: Server,
    sender: WebClient,
    receiver: WebClient,
    content: Path,
    tmp_path: Path,
) -> None:
    """A server that comes back finds both ends where they were."""
    content.write_bytes(bytes(3_000_000))
    reach(state, sender, receiver, content, tmp_path)
    server.kill()
    sender.wait_for(type="connection", state="reconnecting")
    server.start()
    if state == "waiting-for-peer":
        receiver.receive(sender.code())
    for end in (sender, receiver):
        if state != "deciding":
            end.wait_for(state="version-ok")
        end.say(type="compared", same=True)
    receiver.wait_for(type="offer")
    receiver.accept(tmp_path / "received")
    assert sender.outcome()["type"] == receiver.outcome()["type"] == "done"
    assert (tmp_path / "received").stat().st_size == content.stat().st_size


def test_server_gone(server: Server) -> None:
    """A server that was never there is reported after a few attempts."""
    server.kill()
    with web_client(server) as client:
        client.send("text")
        assert failure(client) == "server-gone"
