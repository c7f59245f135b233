"""The browser client when its servers vanish: all of them, and the relay alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest

from tests.end_to_end.processes import Program, Server, Succeeded, serving, until
from tests.ports import free_port
from tests.system.web.client_page import MIB, PEER_CANCELLED
from tests.system.web.conftest import Opener, stopped
from tests.system.web.contents import read_files, write_file

CONNECTING = "Connecting the two devices"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server for each test."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as running:
        yield running


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Succeeded]:
    """A relay in a process of its own, which can be taken over."""
    (tmp_path / "relay").mkdir()
    running = Succeeded(tmp_path / "relay")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def address(server: Server, relay: Server, tmp_path: Path) -> Iterator[str]:
    """The page's URL on a proxy, which has the relay from its own process, and all else from the server."""
    port = free_port()
    places = {"/": server.web_port, "= /transit": relay.web_port}
    locations = "".join(
        f"location {place} {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1;"
        " proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrading;"
        " proxy_set_header Host $http_host; }\n"
        for place, behind in places.items()
    )
    (tmp_path / "nginx.conf").write_text(
        "daemon off; master_process off; error_log stderr; events {}\n"
        f"pid {tmp_path}/nginx.pid; http {{ access_log off; client_body_temp_path {tmp_path};\n"
        'map $http_upgrade $upgrading { default upgrade; "" close; }\n'
        f"server {{ listen 127.0.0.1:{port};\n{locations}}} }}\n"
    )
    proxy = Program(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    try:
        until(lambda: _listens(port) or proxy.process.poll() is not None)
        yield f"http://127.0.0.1:{port}/"
    finally:
        proxy.end()


def _listens(port: int) -> bool:
    with socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_server_restarted(open_page: Opener, server: Server, file: Path) -> None:
    """A transfer outlives restarts of the server: while it waits, and while the offer stands."""
    sender, receiver = open_page(), open_page()
    code = sender.send_files(file)
    server.kill()
    server.start()
    receiver.receive(code)
    receiver.wait_for_title("Receive this?")
    server.kill()
    server.start()
    receiver.save()
    receiver.wait_for_title("Received")
    sender.wait_for_title("Sent")


def test_relay_restarted(open_page: Opener, relay: Server, file: Path) -> None:
    """A relay that is away when both have agreed is waited for."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(file))
    receiver.wait_for_title("Receive this?")
    relay.kill()
    receiver.save()
    for page in (sender, receiver):
        page.wait_for_title(CONNECTING)
    relay.start()
    receiver.wait_for_title("Received")
    sender.wait_for_title("Sent")


def test_relay_taken_over(open_page: Opener, relay: Succeeded, tmp_path: Path) -> None:
    """A relay that is upgraded while bytes move cuts nothing, with a proxy between it and the pages."""
    file = tmp_path / "large.bin"
    write_file(file, 128 * MIB)
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(file))
    receiver.save()
    for _ in range(2):
        until(lambda: relay.metrics()["wormhole_relay_bytes_total"] > 4 * MIB)  # since its start
        relay.succeed()
    assert "Taken over: 2 connections of the relay." in relay.output
    receiver.wait_for_title("Received")
    arrived = receiver.wait_for_download(
        file.name, lambda path: path.stat().st_size == file.stat().st_size
    )
    assert read_files(arrived) == read_files(file)
    sender.wait_for_title("Sent")


@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
def test_cancel_without_relay(open_page: Opener, relay: Server, file: Path, who: int) -> None:
    """Who cancels while the relay does not answer ends it for the other, which is told why."""
    pages = sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(file))
    with stopped(relay):
        receiver.save()
        for page in pages:
            page.wait_for_title(CONNECTING)
        pages[who].press("Cancel")
        pages[who].wait_for_title("Cancelled")
        assert pages[1 - who].failure() == PEER_CANCELLED


def test_relay_killed(open_page: Opener, relay: Server, endless_file: Path) -> None:
    """A relay that vanishes alone while bytes move ends both, which say how far they were."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(endless_file))
    receiver.save()
    receiver.wait_for_title("Receiving")
    sender.wait_for_title("Sending")
    relay.kill()
    reasons = [sender.failure(), receiver.failure()]
    broken = [
        each
        for each in reasons
        if re.fullmatch(r"The connection broke off after .* of 3.2 GB\.", each)
    ]
    assert broken, reasons
    told = "The other device reports: the connection to the transit relay is lost"
    assert set(reasons) <= {*broken, told}
