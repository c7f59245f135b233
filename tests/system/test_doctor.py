"""
`wormhole-server doctor` through Debian's nginx, set up as it should not be.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.end_to_end.processes import Program, Server, serving
from tests.end_to_end.test_doctor import examine

_NGINX = """
daemon off; error_log stderr; pid {where}/nginx.pid; events {{}}
http {{
    access_log off; client_body_temp_path {where}/1; proxy_temp_path {where}/2;
    fastcgi_temp_path {where}/3; uwsgi_temp_path {where}/4; scgi_temp_path {where}/5;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{target}; {more} }} }}
}}
"""
_UPGRADE = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection upgrade;"
)
_FORWARDED = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"


@contextmanager
def nginx(where: Path, target: int, more: str) -> Iterator[str]:
    """The URL of a server behind nginx, whose configuration has `more` in it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    file = where / "nginx.conf"
    file.write_text(_NGINX.format(where=where, port=port, target=target, more=more))
    program = Program(["nginx", "-c", str(file)])
    try:
        while program.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                continue
            break
        yield f"ws://127.0.0.1:{port}/v1"
    finally:
        program.process.terminate()
        program.finish()


def levels(server: Server, url: str) -> dict[str, str]:
    """What the doctor finds through the proxy."""
    _, found = examine(server, f"--relay-url={url}")
    return {check: each["level"] for check, each in found.items()}


def test_as_it_should_be(tmp_path: Path) -> None:
    """A proxy that upgrades and says who comes, and a server that trusts it."""
    where = f"sqlite:///{tmp_path / 'server.db'}"
    with (
        serving(where, "--trusted-proxy=127.0.0.1") as server,
        nginx(tmp_path, server.web_port, _UPGRADE + _FORWARDED) as url,
    ):
        found = levels(server, url)
    assert found["client addresses"] == found["forged addresses"] == "ok"
    assert found["client, relay, TCP to WebSocket"] == "ok"


def test_not_trusted(tmp_path: Path) -> None:
    """A proxy that the server does not know: all clients have its address."""
    with (
        serving(f"sqlite:///{tmp_path / 'server.db'}") as server,
        nginx(tmp_path, server.web_port, _UPGRADE + _FORWARDED) as url,
    ):
        found = levels(server, url)
    assert found["client addresses"] == "failure"
    assert found["forged addresses"] == "ok"


def test_passes_on_what_clients_say(tmp_path: Path) -> None:
    """A proxy that passes on what clients claim: they can claim what they like."""
    where = f"sqlite:///{tmp_path / 'server.db'}"
    with (
        serving(where, "--trusted-proxy=127.0.0.1") as server,
        nginx(tmp_path, server.web_port, _UPGRADE) as url,
    ):
        found = levels(server, url)
    assert found["forged addresses"] == "failure"


def test_no_upgrade(tmp_path: Path) -> None:
    """A proxy that knows of web pages only."""
    with (
        serving(f"sqlite:///{tmp_path / 'server.db'}") as server,
        nginx(tmp_path, server.web_port, "") as url,
    ):
        found = levels(server, url)
    assert found["upgrade"] == "failure"
    assert found["client, WebSocket and welcome"] == "failure"
