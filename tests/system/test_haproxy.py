"""
`deploy/haproxy/haproxy.cfg` in front of three instances on one PostgreSQL, with Debian's HAProxy.
"""

from __future__ import annotations

import random
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.end_to_end.processes import SECONDS, Program, Server, serving, transfer, two_folders
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import database
from tests.ports import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
NAMES = ("one", "two", "three")


class Front:
    """HAProxy, as the file has it but for addresses."""

    def __init__(self, where: Path, instances: list[Server]) -> None:
        self.instances = instances
        self.web_port, self.transit_port = free_port(), free_port()
        self._socket = where / "admin.sock"
        text = CONFIGURATION.read_text()
        for number, instance in enumerate(instances, 11):
            for ours, theirs in ((4000, instance.web_port), (4001, instance.transit_port)):
                text = text.replace(f"192.0.2.{number}:{ours}", f"127.0.0.1:{theirs}")
            place = f"127.0.0.1:{instance.transit_port} send-proxy-v2 check port"
            text = text.replace(f"{place} 4000", f"{place} {instance.web_port}")
        text = text.replace("bind :4000", f"bind 127.0.0.1:{self.web_port}")
        text = text.replace("bind :4001", f"bind 127.0.0.1:{self.transit_port}")
        text = text.replace("/run/haproxy/admin.sock mode", f"{self._socket} mode")
        # As many files as a test may open.
        text = text.replace("maxconn 100000", "maxconn 2000")
        assert "192.0.2" not in text.split("\nglobal\n", 1)[1]
        file = where / "haproxy.cfg"
        file.write_text(text)
        self.program = Program(["haproxy", "-db", "-f", str(file)])
        self.until_up(*NAMES)

    @property
    def relay_url(self) -> str:
        return f"ws://127.0.0.1:{self.web_port}/v1"

    @property
    def transit_helper(self) -> str:
        return f"tcp:127.0.0.1:{self.transit_port}"

    @property
    def output(self) -> str:
        return "".join(instance.output for instance in self.instances)

    def command(self, command: str) -> str:
        """Of HAProxy's own."""
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(str(self._socket))
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def until_up(self, *names: str) -> None:
        """Until HAProxy knows just these for up."""
        deadline = time.monotonic() + SECONDS
        wanted = {(backend, name) for backend in ("rendezvous", "transit") for name in names}
        while True:
            try:
                rows = [row.split(",") for row in self.command("show stat").splitlines()]
            except OSError:
                rows = []
            up = {
                (row[0], row[1]) for row in rows if row[1:2] != ["BACKEND"] and row[17:18] == ["UP"]
            }
            if up == wanted:
                return
            assert time.monotonic() < deadline, f"{up}\n{self.program.output}"
            time.sleep(0.05)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with ExitStack() as stack:
        url = stack.enter_context(database("postgres", tmp_path))
        instances = [stack.enter_context(serving(url, "--trusted-proxy=127.0.0.1")) for _ in NAMES]
        running = Front(tmp_path, instances)
        stack.callback(running.program.end)
        yield running


def _end(front: Front, token: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", front.transit_port), SECONDS)
    side = secrets.token_hex(8)
    connection.sendall(f"please relay {token} for side {side}\n".encode())
    return connection


def _pass(one: socket.socket, other: socket.socket) -> None:
    """The two have met, and bytes go both ways."""
    with one, other:
        for connection in (one, other):
            connection.settimeout(10.0)
            assert connection.recv(3) == b"ok\n"
        for there, here in ((one, other), (other, one)):
            there.sendall(b"through")
            assert here.recv(7) == b"through"


def _pairs(front: Front, count: int) -> None:
    for _ in range(count):
        token = secrets.token_hex(32)
        one = _end(front, token)
        # Other clients come in between, and digits may be written either way.
        with _end(front, secrets.token_hex(32)):
            _pass(one, _end(front, token.upper()))


def test_pairs_meet(front: Front) -> None:
    """Two ends of a pair always get the same relay, also when one of three is killed and replaced."""
    _pairs(front, 20)
    used = [server.metrics()["wormhole_relay_bytes_total"] for server in front.instances]
    assert all(used), "not all relays are used"
    front.instances[0].kill()
    # At once, before any check has found out.
    _pairs(front, 20)
    front.until_up("two", "three")
    waiting = {token: _end(front, token) for token in (secrets.token_hex(32) for _ in range(20))}
    time.sleep(0.5)
    front.instances[0].start()
    front.until_up(*NAMES)
    for token, one in waiting.items():
        _pass(one, _end(front, token))
    _pairs(front, 20)
    assert front.instances[0].metrics()["wormhole_relay_bytes_total"] > 0


def test_bad_handshake(front: Front) -> None:
    """What is no handshake is refused by a relay, at once."""
    with socket.create_connection(("127.0.0.1", front.transit_port), 10.0) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(100)


def test_transit_over_websocket(front: Front) -> None:
    """The relay over WebSocket is refused in so many words."""
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://127.0.0.1:{front.web_port}/transit", timeout=10.0)
    assert refused.value.code == 501
    assert b"over TCP" in refused.value.read()
    refused.value.close()


def test_wormhole(front: Front, tmp_path: Path) -> None:
    """The real `wormhole` transfers a file, knowing nothing but the front."""
    there, here = two_folders(tmp_path)
    (there / "file.bin").write_bytes(random.Random(1).randbytes(1_000_000))
    for _ in range(3):
        transfer(
            front,
            ["--no-listen", "file.bin"],
            ["--no-listen", "--accept-file"],
            there,
            here,
        )
        (here / "file.bin").rename(here / secrets.token_hex(4))
    clients = [
        server.metrics()["wormhole_rendezvous_connections_total"] for server in front.instances
    ]
    assert sum(clients) == 6
    assert max(clients) < 6, "one has got them all"


def test_drain(front: Front) -> None:
    """An instance that drains keeps whom it has, gets the buddies of who waits, and nobody new."""
    with Session(front.relay_url, "a") as staying:
        home = next(s for s in front.instances if _clients(s))
        name = NAMES[front.instances.index(home)]
        waiting = {token: _end(front, token) for token in (secrets.token_hex(32) for _ in range(9))}
        time.sleep(0.5)
        for backend in ("rendezvous", "transit"):
            front.command(f"set server {backend}/{name} state drain")
        others = [Session(front.relay_url, "b") for _ in range(4)]
        assert _clients(home) == 1
        for other in others:
            other.close()
        for token, one in waiting.items():
            _pass(one, _end(front, token))
        assert staying.ask("claim", "claimed", nameplate="7")
        before = home.metrics()["wormhole_relay_bytes_total"]
        _pairs(front, 10)
        assert home.metrics()["wormhole_relay_bytes_total"] == before
        home.stop()
    with Session(front.relay_url, "a") as again:
        again.ask("claim", "claimed", nameplate="7")
    assert not re.search("Traceback", front.output)


def _clients(server: Server) -> float:
    return server.metrics()["wormhole_rendezvous_connected_clients"]
