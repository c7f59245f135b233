"""
The connections of a real process: file descriptors, limits and trusted proxies.
"""

from __future__ import annotations

import re
import resource
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from websockets.exceptions import InvalidStatus

from tests.end_to_end.processes import BIN, SECONDS, Server, serving, until
from tests.end_to_end.sessions import Session

CLIENT = "203.0.113.5"
V1 = f"PROXY TCP4 {CLIENT} 192.0.2.1 999 4001\r\n".encode()
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f"
    + socket.inet_aton(CLIENT)
    + bytes(4)
    + (999).to_bytes(2, "big")
    + bytes(2)
    + b"\x04\0\0"  # a type-length-value that says nothing
)
# What a process that uses few has left when it has used all: two connections at a time would do.
FEW = 300


@contextmanager
def _with_few_descriptors(where: Path, *flags: str) -> Iterator[Server]:
    server = Server(
        f"sqlite:///{where / 'server.db'}",
        *flags,
        command=("prlimit", f"--nofile={FEW}:{FEW}", str(BIN / "wormhole-server"), "run"),
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def _flood(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open so many connections that send nothing."""
    with ExitStack() as stack:
        flood = []
        for _ in range(count):
            with suppress(ConnectionError):
                flood.append(
                    stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
                )
        yield flood


def _handshake(port: int, token: str, before: Sequence[bytes] = ()) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), SECONDS)
    hello = f"please relay {token} for side {secrets.token_hex(8)}\n".encode()
    *earlier, last = [*before, b""]
    for piece in earlier:
        connection.sendall(piece)
        time.sleep(0.1)
    connection.sendall(last + hello)
    return connection


def _pass(one: socket.socket, other: socket.socket) -> None:
    """The two are paired, and many bytes go both ways."""
    for end in (one, other):
        assert end.recv(3) == b"ok\n"
    for there, here in ((one, other), (other, one)):
        data = secrets.token_bytes(100_000)
        there.sendall(data)
        got = b""
        while len(got) < len(data):
            got += here.recv(65536)
        assert got == data


def _until(server: Server, name: str, wanted: float) -> None:
    until(lambda: server.metrics()[name] == wanted)


def _refused(server: Server, entrance: str, reason: str) -> float:
    series = "wormhole_process_refused_connections_total"
    return server.metrics()[f'{series}{{entrance="{entrance}",reason="{reason}"}}']


def test_full(tmp_path: Path) -> None:
    """
    With few descriptors: who comes too late is told so, who is in goes on, the metrics answer, and when
    the flood is over all is as before.
    """
    with _with_few_descriptors(tmp_path) as server, ExitStack() as stack:
        limit = server.metrics()["wormhole_process_connection_limit"]
        assert limit == FEW // 2
        old = stack.enter_context(Session(server.relay_url, "old"))
        token = secrets.token_hex(32)
        pair = [_handshake(server.transit_port, token) for _ in range(2)]
        for each in pair:
            stack.enter_context(closing(each))
        with _flood(server.web_port, int(limit) + 50):
            with pytest.raises(HTTPError) as page:
                urlopen(f"http://127.0.0.1:{server.web_port}/", timeout=SECONDS)
            page.value.close()
            assert (page.value.code, page.value.headers["Retry-After"]) == (503, "30")
            with pytest.raises(InvalidStatus) as websocket:
                Session(server.relay_url)
            assert websocket.value.response.status_code == 503
            assert "alive" in server.get("/healthz")
            with closing(_handshake(server.transit_port, secrets.token_hex(32))) as late:
                late.settimeout(SECONDS)
                assert late.recv(100) == b""
            old.ask("claim", "claimed", nameplate="7")
            _pass(*pair)
            assert _refused(server, "rendezvous", "full") > 0
            assert _refused(server, "transit", "full") == 1
            assert _refused(server, "rendezvous", "descriptors") == 0
            assert server.metrics()["wormhole_process_open_fds"] < FEW
        _until(server, "wormhole_process_connections", 3)
        with Session(server.relay_url, "new") as new:
            new.ask("claim", "claimed", nameplate="8")
        assert "Traceback" not in server.output


def test_no_descriptor_left(tmp_path: Path) -> None:
    """
    Without a limit the kernel has the last word: who comes too late is closed, who is in goes on, and
    when the flood is over it is counted, was said once, and nobody was named.
    """
    with _with_few_descriptors(tmp_path, "--connection-limit=none") as server:
        with Session(server.relay_url, "old") as old:
            with _flood(server.web_port, FEW + 50) as flood:
                flood[-1].settimeout(SECONDS)
                with suppress(ConnectionError):
                    assert flood[-1].recv(100) == b""
                old.ask("claim", "claimed", nameplate="7")
            _until(server, "wormhole_process_connections", 1)
            with Session(server.relay_url, "new") as new:
                new.ask("claim", "claimed", nameplate="8")
            assert _refused(server, "rendezvous", "descriptors") > 0
        assert server.output.count("No file descriptor is left") == 1
        assert "Closed socket" not in server.output
        assert "Traceback" not in server.output


def test_soft_limit(tmp_path: Path) -> None:
    """The process raises its soft limit on descriptors to the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = Server(
        f"sqlite:///{tmp_path / 'server.db'}",
        command=("prlimit", f"--nofile=256:{hard}", str(BIN / "wormhole-server"), "run"),
    )
    try:
        server.start()
        assert server.metrics()["wormhole_process_max_fds"] == hard
    finally:
        server.kill()


def test_per_address(tmp_path: Path) -> None:
    """An address at its limit is refused; others are not, nor is it after one connection has closed."""
    url = f"sqlite:///{tmp_path / 'server.db'}"
    with serving(url, "--connections-per-address=2") as server, ExitStack() as stack:
        first = stack.enter_context(Session(server.relay_url, "a"))
        stack.enter_context(Session(server.relay_url, "b"))
        with pytest.raises(InvalidStatus) as refused:
            Session(server.relay_url)
        assert refused.value.response.status_code == 429
        other = stack.enter_context(Session(server.relay_url, "c", source_address=("127.0.0.2", 0)))
        assert other.welcome["your-address"]["ipv4"] == "127.0.0.2"
        with closing(_handshake(server.transit_port, secrets.token_hex(32))) as relay:
            relay.settimeout(SECONDS)
            assert relay.recv(100) == b""
        first.close()
        _until(server, "wormhole_process_connections", 2)
        stack.enter_context(Session(server.relay_url, "d"))
        assert _refused(server, "rendezvous", "address") == 1
        assert _refused(server, "transit", "address") == 1


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trusts 127.0.0.1, and lets an address have two connections."""
    where = tmp_path_factory.mktemp("trusting")
    with serving(
        f"sqlite:///{where / 'server.db'}",
        "--trusted-proxy=127.0.0.1",
        "--connections-per-address=2",
        "--proxy-header-timeout=1s",
    ) as server:
        yield server
        assert "Traceback" not in server.output
        assert not re.search(re.escape(CLIENT), server.output)


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_relay_behind_proxy(trusting: Server, header: bytes) -> None:
    """Connections with a PROXY header, whole or in pieces, are paired, and the kernel moves their bytes."""
    token = secrets.token_hex(32)
    with (
        closing(_handshake(trusting.transit_port, token, [header])) as one,
        closing(_handshake(trusting.transit_port, token, [header[:9], header[9:]])) as other,
    ):
        _pass(one, other)
    fallbacks = {k: v for k, v in trusting.metrics().items() if "link_fallbacks" in k}
    assert fallbacks
    assert not any(fallbacks.values())


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_rendezvous_behind_proxy(trusting: Server, header: bytes) -> None:
    """`your-address` is the client's, and its connections are counted, not the proxy's."""
    with ExitStack() as stack:

        def session() -> Session:
            behind = socket.create_connection(("127.0.0.1", trusting.web_port), SECONDS)
            behind.sendall(header)
            return stack.enter_context(Session(trusting.relay_url, "a", sock=behind))

        for _ in range(2):
            assert session().welcome["your-address"] == {"ipv4": CLIENT, "port": 999}
        with pytest.raises(InvalidStatus) as refused:
            session()
        assert refused.value.response.status_code == 429
    _until(trusting, "wormhole_process_connections", 0)


def test_forwarded_for(trusting: Server) -> None:
    """`your-address` is the last one in X-Forwarded-For; for peers that are not trusted, their own."""
    headers = {"X-Forwarded-For": f"1.1.1.1, {CLIENT}"}
    with Session(trusting.relay_url, additional_headers=headers) as session:
        assert session.welcome["your-address"] == {"ipv4": CLIENT, "port": 0}
    with Session(
        trusting.relay_url, additional_headers=headers, source_address=("127.0.0.9", 0)
    ) as session:
        assert session.welcome["your-address"]["ipv4"] == "127.0.0.9"


def test_no_header(trusting: Server) -> None:
    """A trusted proxy that sends no header is served as itself, without a limit per address."""
    with ExitStack() as stack:
        for _ in range(5):
            session = stack.enter_context(Session(trusting.relay_url))
            assert session.welcome["your-address"]["ipv4"] == "127.0.0.1"


def test_bad_headers(trusting: Server) -> None:
    """An invalid or late header closes the connection; without trust a header is like any bytes."""
    for begin in (b"PROXY what\r\n", V1[:-1], V2[:-1]):
        with socket.create_connection(("127.0.0.1", trusting.transit_port), SECONDS) as connection:
            connection.sendall(begin)
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""
    assert _refused(trusting, "transit", "proxy-header") == 3
    stranger = socket.create_connection(
        ("127.0.0.1", trusting.transit_port), SECONDS, source_address=("127.0.0.9", 0)
    )
    with stranger:
        stranger.sendall(V1)
        assert stranger.recv(100)
