"""
Caddy, nginx and HAProxy of Debian in front of a real server, by the files in `deploy/`, with real clients.

Traefik is not in Debian: of its files only the shape is looked at.
"""

from __future__ import annotations

import json
import random
import re
import secrets
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml

from tests.certificates import Authority
from tests.end_to_end.processes import BIN, SECONDS, serving, transfer, two_folders, until
from tests.system.fronts import DEPLOY, FRONTS, Certificates, Front, Start, haproxy_v1

# An address of this machine that is neither the server's nor the proxy's.
CLIENT = "127.0.0.2"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate of `localhost`, and who has signed it."""
    where = tmp_path_factory.mktemp("certificates")
    authority = Authority()
    key, chain = authority.issue().write(where)
    return Certificates(authority.trust(where / "authority.pem"), chain, key)


@pytest.fixture
def running(tmp_path: Path, certificates: Certificates) -> Iterator[Any]:
    """Starts a front with a server behind it, where every program trusts its certificate."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        # OpenSSL's, which Twisted takes as well as Python.
        patch.setenv("SSL_CERT_FILE", str(certificates.authority))
        patch.setenv("XDG_DATA_HOME", str(tmp_path))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path))

        def start(front: Start, *flags: str) -> Front:
            server = stack.enter_context(
                serving(f"sqlite:///{tmp_path / 'server.db'}", "--trusted-proxy=127.0.0.1", *flags)
            )
            started = front(server, certificates, tmp_path)
            # Not killed: nginx has processes of its own to end.
            stack.callback(started.program.end, signal.SIGTERM)
            return started

        yield start


class Hello:
    """
    A connection to `/v1` of a front, up to the welcome, in one thread: Python's TLS knows no better.

    :ivar status: of the answer to the WebSocket handshake.
    :ivar head: all of it.
    :ivar address: what the welcome says under `your-address`; none where there was no welcome.
    """

    def __init__(self, front: Front, source: str = CLIENT, headers: str = "") -> None:
        plain = socket.create_connection(
            ("127.0.0.1", front.web_port), SECONDS, source_address=(source, 0)
        )
        context = ssl.create_default_context()
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._socket.sendall(
            "GET /v1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"{headers}\r\n".encode()
        )
        answer = self._until(b"", b"\r\n\r\n")
        self.head = answer.partition(b"\r\n\r\n")[0].decode()
        self.status = int(self.head.split()[1])
        self.address: dict[str, Any] = {}
        if self.status == 101:
            text = self._until(answer, b"}}")
            found = re.search(rb'"your-address": ?({[^}]*})', text)
            assert found, text
            self.address = json.loads(found[1])

    def _until(self, data: bytes, end: bytes) -> bytes:
        while end not in data:
            more = self._socket.recv(4096)
            assert more, data
            data += more
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _relay(front: Front, token: str, source: str = CLIENT) -> socket.socket:
    connection = socket.create_connection(
        ("127.0.0.1", front.transit_port), SECONDS, source_address=(source, 0)
    )
    connection.sendall(f"please relay {token} for side {secrets.token_hex(8)}\n".encode())
    return connection


@pytest.mark.parametrize("start", FRONTS.values(), ids=FRONTS)
def test_wormhole(running: Any, start: Start, tmp_path: Path) -> None:
    """The real `wormhole` sends a file through, by wss:// and the relay over TCP."""
    front = running(start)
    there, here = two_folders(tmp_path)
    (there / "file.bin").write_bytes(random.Random(1).randbytes(1_000_000))
    transfer(front, ["--no-listen", "file.bin"], ["--no-listen", "--accept-file"], there, here)
    assert (here / "file.bin").read_bytes() == (there / "file.bin").read_bytes()
    assert front.server.metrics()["wormhole_relay_bytes_total"] > 1_000_000


@pytest.mark.parametrize("start", FRONTS.values(), ids=FRONTS)
def test_check(running: Any, start: Start) -> None:
    """`wormhole-client check` finds nothing wrong, the relay over WebSocket included."""
    front = running(start)
    check = subprocess.run(
        [
            str(BIN / "wormhole-client"),
            "check",
            f"--relay-url={front.relay_url}",
            f"--transit-helper={front.transit_helper}",
            f"--transit-websocket={front.transit_url}",
            "--size=5000000",
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr + front.output
    assert "files, the same as installed here" in check.stdout
    assert "✔ relay over WebSocket" in check.stdout
    assert "seen as 127.0.0.1" in check.stdout


@pytest.mark.parametrize("start", FRONTS.values(), ids=FRONTS)
def test_your_address(running: Any, start: Start) -> None:
    """`your-address` is the client's, whatever the client itself says of it."""
    front = running(start)
    for headers in ("", "X-Forwarded-For: 203.0.113.1\r\nX-Real-IP: 203.0.113.2\r\n"):
        with Hello(front, headers=headers) as hello:
            assert hello.address["ipv4"] == CLIENT


@pytest.mark.parametrize("start", FRONTS.values(), ids=FRONTS)
def test_limit(running: Any, start: Start) -> None:
    """Connections are counted by client, and the front hands on that there are too many."""
    front = running(start, "--connections-per-address=2")
    with ExitStack() as stack:
        for _ in range(2):
            assert stack.enter_context(Hello(front)).status == 101
        with Hello(front) as refused:
            assert refused.status == 429
            assert "retry-after: 60" in refused.head.lower()
        assert stack.enter_context(Hello(front, "127.0.0.3")).status == 101


@pytest.mark.parametrize("start", FRONTS.values(), ids=FRONTS)
def test_pages(running: Any, start: Start) -> None:
    """The pages are there; the metrics are not."""
    front = running(start)
    for path in ("/", "/healthz", "/readyz"):
        with urlopen(f"https://localhost:{front.web_port}{path}", timeout=SECONDS) as page:
            assert page.status == 200
    with pytest.raises(HTTPError) as missing:
        urlopen(f"https://localhost:{front.web_port}/metrics", timeout=SECONDS)
    missing.value.close()
    assert missing.value.code == 404


@pytest.mark.parametrize("start", [FRONTS["haproxy"], haproxy_v1], ids=["v2", "v1"])
def test_proxy_protocol(running: Any, start: Start) -> None:
    """HAProxy's headers of both versions name the client on both ports, and pairs go through the kernel."""
    front = running(start, "--connections-per-address=3")
    with ExitStack() as stack:
        with Hello(front) as hello:
            assert hello.address["ipv4"] == CLIENT
            # HAProxy knows the client's port as well.
            assert hello.address["port"] > 0
        token = secrets.token_hex(32)
        one, other = (stack.enter_context(closing(_relay(front, token))) for _ in range(2))
        for end in (one, other):
            assert end.recv(3) == b"ok\n"
            end.sendall(b"through")
        for end in (one, other):
            assert end.recv(7) == b"through"
        stack.enter_context(closing(_relay(front, secrets.token_hex(32))))
        # HAProxy has several threads, and does not keep the order of those who come.
        waiting_there = 'wormhole_relay_connected{end="tcp",state="waiting"}'
        until(lambda: front.server.metrics()[waiting_there] == 1)
        late = stack.enter_context(closing(_relay(front, secrets.token_hex(32))))
        assert late.recv(100) == b""
        waiting = stack.enter_context(closing(_relay(front, token, "127.0.0.3")))
        waiting.settimeout(0.5)
        with pytest.raises(TimeoutError):
            waiting.recv(100)
        metrics = front.server.metrics()
        refused = "wormhole_process_refused_connections_total"
        assert metrics[f'{refused}{{entrance="transit",reason="address"}}'] == 1
        assert not any(value for name, value in metrics.items() if "link_fallbacks" in name)
        # Health checks are HAProxy's own connections, which are no one's.
        assert metrics[f'{refused}{{entrance="rendezvous",reason="proxy-header"}}'] == 0


def test_traefik() -> None:
    """Traefik's files are YAML, name each other's parts, and send clients to the web root alone."""
    static = yaml.safe_load((DEPLOY / "traefik" / "traefik.yml").read_text())
    dynamic = yaml.safe_load((DEPLOY / "traefik" / "wormhole.yml").read_text())
    assert static["providers"]["file"]["filename"] == "/etc/traefik/wormhole.yml"
    (router,) = dynamic["http"]["routers"].values()
    assert set(router["entryPoints"]) <= set(static["entryPoints"])
    assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    assert router["rule"] == "Host(`wormhole.example.org`)"
    (server,) = dynamic["http"]["services"][router["service"]]["loadBalancer"]["servers"]
    assert server["url"] == "http://127.0.0.1:4000"
