"""
A server that takes over from the one that runs: its ports, its database and the relay's connections.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.certificates import Authority
from tests.end_to_end.processes import RUN, Program, Succeeded, two_folders, wormhole
from tests.end_to_end.relay_clients import CreditedPeer, TcpPeer, WebSocketPeer
from tests.end_to_end.relay_peers import Peer, pair
from tests.end_to_end.sessions import Session
from tests.ports import free_port
from tests.project.markdown import ROOT
from tests.transit_relay.fakes import handshake

_SIZE = 100_000_000
_END = b"\xff"
_PACKAGES = (
    "rendezvous",
    "transit_relay",
    "migrations",
    *(
        f"wormhole_{name}"
        for name in (
            "client",
            "limits",
            "server",
            "twisted",
            "web",
            "websocket",
        )
    ),
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Succeeded]:
    """A server that can be taken over."""
    server = Succeeded(tmp_path)
    server.start()
    yield server
    server.kill()


def test_taken_over(server: Succeeded, tmp_path: Path) -> None:
    """
    Everything goes on: a transfer of the real client, a silent pair, a client that waits, and a mailbox.
    Every other process is of another version.
    """
    other = tmp_path / "other"
    for package in _PACKAGES:
        shutil.copytree(ROOT / package, other / package)
    version = other / "wormhole_server/version.py"
    version.write_text(version.read_text().replace('VERSION = "', 'VERSION = "9.'))
    upgrade = ("env", f"PYTHONPATH={other}", *RUN)
    there, here = two_folders(tmp_path)
    with (there / "file.bin").open("wb") as file:
        file.truncate(_SIZE)
    sender = wormhole(server, "send", "--no-listen", "--hide-progress", "file.bin", cwd=there)
    receiver: Program | None = None
    try:
        code = sender.wait_for(r"Wormhole code is: (\S+)")[1]
        one, two = pair(server.transit_port, "b")
        waiting = Peer(server.transit_port, "c", "1")
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.ask("add", "message", phase="0", body="00")
        receiver = wormhole(
            server, "receive", "--no-listen", "--hide-progress", "--accept-file", code, cwd=here
        )
        while server.metrics()["wormhole_relay_bytes_total"] < 1_000_000:
            pass
        for turn in range(4):
            server.succeed(RUN if turn % 2 else upgrade)
            assert ('version="9.' in str(server.metrics())) == (turn % 2 == 0)
            one.send(b"%d" % turn)
            two.expect(b"%d" % turn)
        buddy = Peer(server.transit_port, "c", "2")
        for each in (waiting, buddy):
            each.expect(b"ok\n")
        with Session(server.relay_url, "a") as session:
            session.send("open", mailbox="box")
            session.sync()
            assert session.bodies() == ["00"]
        assert (receiver.finish(), sender.finish()) == (0, 0), receiver.output + sender.output
        assert (here / "file.bin").stat().st_size == _SIZE
        assert "Traceback" not in server.output
    finally:
        sender.end()
        if receiver is not None:
            receiver.end()


def test_websockets(server: Succeeded) -> None:
    """Over WebSocket everything goes on as well, both ways at once, wherever in a frame it is."""
    pairs = [
        (WebSocketPeer(server.web_port), WebSocketPeer(server.web_port)),
        (WebSocketPeer(server.web_port), TcpPeer(server.transit_port)),
        (CreditedPeer(server.web_port), TcpPeer(server.transit_port)),
    ]
    for number, ends in enumerate(pairs):
        for side, end in enumerate(ends):
            end.shake(handshake(side, b"%064x" % number))
        assert [end.receive(3) for end in ends] == [b"ok\n"] * 2
    granting, sender = pairs.pop()
    assert isinstance(granting, CreditedPeer)
    directions = [direction for one, other in pairs for direction in ((one, other), (other, one))]
    enough = Event()
    with ThreadPoolExecutor(2 * len(directions)) as threads:
        sent = [threads.submit(_send, peer, enough) for peer, _ in directions]
        received = [threads.submit(_receive, peer) for _, peer in directions]
        try:
            for turn in range(4):
                sender.send(b"%d" % turn * 10)
                granting.grant(5)
                assert granting.receive(5) == b"%d" % (turn // 2) * 5
                server.succeed()
        finally:
            enough.set()
    assert [each.result() for each in received] == [each.result() for each in sent]
    granting.grant(100)
    assert granting.receive(20) == b"2" * 10 + b"3" * 10
    assert "Traceback" not in server.output


def test_what_is_waited_for(tmp_path: Path) -> None:
    """Pairs over TLS are finished by the server that runs, and all others go on in the next."""
    key, chain = Authority().issue().write(tmp_path)
    port = free_port()
    tls = f"--transit=ssl:{port}:interface=127.0.0.1:privateKey={key}:certKey={chain}"
    server = Succeeded(tmp_path, tls)
    server.start()
    try:
        one, two = pair(server.transit_port, "b")
        page, plain = WebSocketPeer(server.web_port), Peer(server.transit_port, "c", "2")
        page.shake(handshake(0, b"c" * 64))
        plain.expect(b"ok\n")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        first, second = (Peer(port, "d", side, context) for side in "12")
        first.expect(b"ok\n")
        successor = Program(server.command_line())
        before, server.program = server.program, successor
        assert before is not None
        before.wait_for("waiting up to 30 s for pairs to finish: 1")
        for sender, receiver in ((one, two), (first, second), (two, one)):
            sender.send(b"meanwhile")
            receiver.expect(b"ok\nmeanwhile" if receiver is second else b"meanwhile")
        late, partner = pair(server.transit_port, "e")
        for each in (first, second):
            each.close()
        successor.wait_for("Taken over: 6 connections")
        assert before.finish() == 0
        for sender, receiver in ((late, partner), (one, two)):
            sender.send(b"afterwards")
            receiver.expect(b"afterwards")
        plain.send(b"to a page")
        assert page.receive(12) == b"ok\nto a page"
        assert "Traceback" not in before.output + successor.output
    finally:
        server.kill()


def test_unusable_path(tmp_path: Path) -> None:
    """A path that cannot be a socket is an error in one line."""
    program = Program(Succeeded(tmp_path / "nowhere").command_line())
    try:
        assert program.finish() == 1
        assert "take-over: cannot listen on" in program.output
        assert "Traceback" not in program.output
    finally:
        program.end()


def test_other_ports(server: Succeeded) -> None:
    """A port that the server before did not have is opened, and one that it alone had is closed."""
    before = server.metrics_port
    server.metrics_port = free_port()
    server.succeed()
    assert server.metrics()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before))


def _send(peer: TcpPeer, enough: Event) -> str:
    """Send bytes until it is enough, and return their hash."""
    digest = hashlib.sha256()
    while not enough.is_set():
        data = random.randbytes(random.randrange(200_000)).replace(_END, b"")
        digest.update(data)
        peer.send(data)
    peer.send(_END)
    return digest.hexdigest()


def _receive(peer: TcpPeer) -> str:
    """Receive all of that, and return its hash."""
    digest = hashlib.sha256()
    while not peer.inbox.endswith(_END):
        digest.update(peer.inbox)
        peer.inbox = b""
        peer.read()
        assert not peer.ended
    digest.update(peer.inbox[:-1])
    return digest.hexdigest()
