"""What clients hold in the server's memory is bounded, whatever they do; others do not notice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.end_to_end.processes import SECONDS, Server, serving, until
from tests.end_to_end.sessions import Session
from tests.wormhole_websocket.fakes import REQUEST
from wormhole_websocket.frames import Opcode, client_frame

_CONNECTIONS = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose clients may hold 16 MiB together."""
    where = tmp_path_factory.mktemp("memory") / "wormhole.db"
    with serving(f"sqlite:///{where}", "--memory-limit=16MiB", "--message-timeout=2s") as running:
        yield running


def _met(server: Server, bound: str) -> float:
    return server.metrics()[f'wormhole_process_bounds_met_total{{bound="{bound}"}}']


def _open(server: Server) -> socket.socket:
    """A client that has opened a WebSocket by hand."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(SECONDS)
    client.connect(("127.0.0.1", server.web_port))
    client.sendall(REQUEST)
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def test_unfinished_messages(server: Server) -> None:
    """Who begins a message and does not finish it is dropped; who takes its time for each is not."""
    with ExitStack() as stack:
        clients = [stack.enter_context(_open(server)) for _ in range(_CONNECTIONS)]
        slow = stack.enter_context(Session(server.relay_url, "slow"))
        for client in clients:
            client.sendall(client_frame(Opcode.TEXT, bytes(200_000), bytes(4), final=False))
        until(lambda: _met(server, "unfinished") == _CONNECTIONS)
        slow.sync()


def test_not_reading(server: Server) -> None:
    """Of those who do not read, who hold most are dropped when all hold too much; a reader is served."""
    with ExitStack() as stack:
        before = server.rss_kib()
        reader = stack.enter_context(Session(server.relay_url, "reader"))
        ping = client_frame(
            Opcode.TEXT, b'{"type": "ping", "ping": "%s"}' % (b"x" * 200_000), bytes(4)
        )
        for _ in range(_CONNECTIONS):
            client = stack.enter_context(_open(server))
            with suppress(ConnectionError):  # it may be dropped meanwhile
                client.sendall(ping * 15)
        until(lambda: _met(server, "unsent") >= _CONNECTIONS // 2)
        reader.sync()
        assert server.rss_kib() - before < 100 * 1024


def test_pings(server: Server) -> None:
    """Who pings and does not read holds next to nothing, and may stay."""
    with ExitStack() as stack:
        dropped = _met(server, "unsent")
        before = server.rss_kib()
        pings = client_frame(Opcode.PING, bytes(125), bytes(4)) * 2000
        for _ in range(_CONNECTIONS):
            client = stack.enter_context(_open(server))
            for _ in range(10):
                client.sendall(pings)
        with Session(server.relay_url, "other") as other:
            other.sync()
        assert server.rss_kib() - before < 40 * 1024
        assert _met(server, "unsent") == dropped
