"""
The reverse proxies of `deploy/`, started from those very files but for addresses, paths and certificates.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from tests.end_to_end.processes import SECONDS, Program, Server
from tests.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
DOMAIN = "wormhole.example.org"


@attrs.frozen
class Certificates:
    """
    Of `localhost`, from an authority of our own.

    :ivar authority: what clients have to trust.
    """

    authority: Path
    chain: Path
    key: Path


@attrs.define
class Front:
    """
    A proxy that runs.

    :ivar transit_port: where it takes the relay's clients over TCP; the server's own, where it does not.
    """

    server: Server
    program: Program
    web_port: int
    transit_port: int

    @property
    def relay_url(self) -> str:
        return f"wss://localhost:{self.web_port}/v1"

    @property
    def transit_url(self) -> str:
        return f"wss://localhost:{self.web_port}/transit"

    @property
    def transit_helper(self) -> str:
        return f"tcp:127.0.0.1:{self.transit_port}"

    @property
    def output(self) -> str:
        return self.server.output + self.program.output


def caddy(server: Server, certificates: Certificates, where: Path) -> Front:
    """Caddy, without certificates of its own making."""
    port, redirecting = free_port(), free_port()
    text = _changed(
        DEPLOY / "caddy" / "Caddyfile",
        {
            f"\n{DOMAIN} {{": f"\nhttps://localhost:{port} {{\n\tbind 127.0.0.1\n"
            f"\ttls {certificates.chain} {certificates.key}",
            "127.0.0.1:4000": f"127.0.0.1:{server.web_port}",
        },
    )
    file = where / "Caddyfile"
    file.write_text(f"{{\n\tadmin off\n\thttp_port {redirecting}\n}}\n{text}")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]
    return _started(server, command, port, server.transit_port)


def nginx(server: Server, certificates: Certificates, where: Path) -> Front:
    """nginx, with an nginx.conf that includes the file."""
    port, redirecting = free_port(), free_port()
    text = _changed(
        DEPLOY / "nginx" / "wormhole.conf",
        {
            "listen 80;": f"listen 127.0.0.1:{redirecting};",
            "\tlisten [::]:80;\n": "",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "\tlisten [::]:443 ssl;\n": "",
            f"/etc/letsencrypt/live/{DOMAIN}/fullchain.pem": str(certificates.chain),
            f"/etc/letsencrypt/live/{DOMAIN}/privkey.pem": str(certificates.key),
            f"server_name {DOMAIN};": "server_name localhost;",
            "127.0.0.1:4000": f"127.0.0.1:{server.web_port}",
        },
    )
    (where / "wormhole.conf").write_text(text)
    (where / "nginx.conf").write_text(
        f"daemon off; pid {where}/nginx.pid; error_log stderr warn; events {{}}\n"
        f"http {{ include {where}/wormhole.conf; }}\n"
    )
    command = ["nginx", "-p", str(where), "-c", str(where / "nginx.conf")]
    return _started(server, command, port, server.transit_port)


def haproxy(
    server: Server, certificates: Certificates, where: Path, version: str = "send-proxy-v2"
) -> Front:
    """
    HAProxy, on both ports.

    :param version: of the PROXY headers: `send-proxy` is the first one.
    """
    port, transit_port, redirecting = free_port(), free_port(), free_port()
    pem = where / "both.pem"
    pem.write_text(certificates.chain.read_text() + certificates.key.read_text())
    text = _changed(
        DEPLOY / "haproxy" / "single.cfg",
        {
            "bind :80\n": f"bind 127.0.0.1:{redirecting}\n",
            "bind :443 ": f"bind 127.0.0.1:{port} ",
            "bind :4001\n": f"bind 127.0.0.1:{transit_port}\n",
            f"/etc/haproxy/{DOMAIN}.pem": str(pem),
            "check port 4000": f"check port {server.web_port}",
            "127.0.0.1:4000": f"127.0.0.1:{server.web_port}",
            "127.0.0.1:4101": f"127.0.0.1:{server.transit_port}",
            # As many files as a test may open.
            "maxconn 100000": "maxconn 2000",
            "send-proxy-v2 ": f"{version} ",
        },
    )
    file = where / "haproxy.cfg"
    file.write_text(text)
    return _started(server, ["haproxy", "-db", "-f", str(file)], port, transit_port)


def haproxy_v1(server: Server, certificates: Certificates, where: Path) -> Front:
    """The same, with PROXY headers of the first version."""
    return haproxy(server, certificates, where, "send-proxy")


Start = Callable[[Server, Certificates, Path], Front]
FRONTS: dict[str, Start] = {"caddy": caddy, "nginx": nginx, "haproxy": haproxy}


def _changed(file: Path, changes: dict[str, str]) -> str:
    """
    Replace texts in one pass: what replaces one may contain another (port 40011 contains "4001").

    :param changes: each text that the file must contain, and what replaces it; the longest match wins.
    """
    text = file.read_text()
    for before in changes:
        assert before in text, f"{file.name} has no {before!r}"
    longest_first = sorted(changes, key=len, reverse=True)
    pattern = "|".join(re.escape(before) for before in longest_first)
    return re.sub(pattern, lambda found: changes[found[0]], text)


def _started(server: Server, command: Sequence[str], port: int, transit_port: int) -> Front:
    """Returns when it takes connections."""
    program = Program(command)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            assert program.process.poll() is None, program.output
            assert time.monotonic() < deadline, program.output
            time.sleep(0.05)
        else:
            return Front(server, program, port, transit_port)
