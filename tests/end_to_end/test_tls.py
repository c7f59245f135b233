"""
TLS without a proxy: real clients on `ssl:` endpoints, and certificates that change under them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.certificates import Authority
from tests.end_to_end.processes import BIN, SECONDS, Program, two_folders

_INSTALL = Path(__file__).parents[2] / "deploy" / "tls" / "install-certificate"
_AUTHORITY = Authority()


class TlsServer:
    """`wormhole-server run` with TLS on both ports for clients."""

    def __init__(self, directory: Path, *flags: str) -> None:
        key, chain = directory / "privkey.pem", directory / "fullchain.pem"
        endpoint = f"ssl:0:privateKey={key}:certKey={chain}:interface=127.0.0.1"
        self.program = Program(
            [
                str(BIN / "wormhole-server"),
                "run",
                f"--rendezvous={endpoint}",
                f"--transit={endpoint}",
                "--metrics=none",
                "--public-host=localhost",
                f"--database=sqlite:///{directory / 'server.db'}",
                *flags,
            ],
            cwd=directory,
        )

    def ready(self) -> None:
        """Wait until it serves."""
        paste = self.program.wait_for(r"Ready\. .* (--relay-url=wss://localhost:(\d+)/v1) send")
        self.port = int(paste[2])

    @property
    def relay_url(self) -> str:
        return f"wss://localhost:{self.port}/v1"

    def dial(self) -> ClientConnection:
        """A client that trusts only our authority."""
        return connect(
            f"wss://127.0.0.1:{self.port}/v1",
            ssl=_AUTHORITY.client_context(),
            server_hostname="localhost",
            open_timeout=SECONDS,
            compression=None,
            max_size=None,
        )

    def serial(self) -> int:
        """The serial number of the certificate that a new connection gets."""
        with self.tls() as connection:
            certificate: Any = connection.getpeercert()
            return int(certificate["serialNumber"], 16)

    def tls(self, alpn: list[str] | None = None) -> ssl.SSLSocket:
        """A TLS connection to the web root."""
        context = _AUTHORITY.client_context()
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        plain = socket.create_connection(("127.0.0.1", self.port), SECONDS)
        return context.wrap_socket(plain, server_hostname="localhost")

    def transit_port(self) -> int:
        """The port of the relay: clients have no TLS for it, so it is not in the log."""
        listening = {
            each.laddr.port
            for each in psutil.Process(self.program.process.pid).net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }
        [port] = listening - {self.port}
        return int(port)

    def hang_up(self) -> None:
        """SIGHUP."""
        self.program.process.send_signal(signal.SIGHUP)


@contextmanager
def serving_tls(directory: Path, *flags: str) -> Iterator[TlsServer]:
    """A server for the time of a test."""
    server = TlsServer(directory, *flags)
    try:
        server.ready()
        yield server
    finally:
        server.program.end()


def _ask(client: ClientConnection, kind: str, **keys: Any) -> None:
    client.send(json.dumps({"type": kind, "id": "x", **keys}))


def _next(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(client.recv(SECONDS))
        if message["type"] == kind:
            return message


def _greeted(client: ClientConnection) -> str:
    """The address that the server sees for the client."""
    welcome = _next(client, "welcome")["welcome"]
    address: str = welcome["your-address"]["ipv4"]
    return address


_WORMHOLES = {
    # Through the relay, which is behind TLS as well: a WebSocket at /transit.
    "ours": ("wormhole-client", ["--no-listen"], ["--accept"]),
    # It knows of no relay behind TLS: its two ends meet directly.
    "theirs": ("wormhole", [], ["--accept-file"]),
}


@pytest.mark.parametrize("whose", _WORMHOLES)
def test_exchange(whose: str, tmp_path: Path) -> None:
    """The test client and the wormhole command send files over wss://, trusting the chain to its root."""
    program, common, accept = _WORMHOLES[whose]
    _AUTHORITY.issue().write(tmp_path)
    root = _AUTHORITY.trust(tmp_path / "root.pem")
    there, here = two_folders(tmp_path)
    content = os.urandom(3_000_000)
    (there / "letter").write_bytes(content)
    with serving_tls(tmp_path) as server:
        url = f"--relay-url={server.relay_url}"
        if whose == "ours":
            common = [*common, url, f"--transit-helper=wss://localhost:{server.port}/transit"]
            before: list[str] = []
        else:
            before = [url, "--transit-helper=tcp:127.0.0.1:1"]
        command = ["env", f"SSL_CERT_FILE={root}", str(BIN / program), *before]
        ends = [
            Program([*command, "send", *common, "--code=1-a-b", "letter"], cwd=there),
            Program([*command, "receive", *common, *accept, "1-a-b"], cwd=here),
        ]
        try:
            assert [end.finish() for end in ends] == [0, 0], ends[0].output + ends[1].output
        finally:
            for end in ends:
                end.end()
        assert (here / "letter").read_bytes() == content
        assert "Traceback" not in server.program.output


def test_modern(tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 with the whole chain and ALPN; nothing older, and no other ALPN protocol."""
    _AUTHORITY.issue().write(tmp_path)
    with serving_tls(tmp_path) as server:
        with server.tls(["h2", "http/1.1"]) as connection:
            assert connection.version() == "TLSv1.3"
            assert connection.selected_alpn_protocol() == "http/1.1"
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        with server.tls(["h2"]) as connection:
            assert connection.selected_alpn_protocol() is None
        for version, fits in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
            context = _AUTHORITY.client_context()
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
            with socket.create_connection(("127.0.0.1", server.port), SECONDS) as plain:
                if fits:
                    context.wrap_socket(plain, server_hostname="localhost").close()
                else:
                    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
                        context.wrap_socket(plain, server_hostname="localhost")


def test_replaced(tmp_path: Path) -> None:
    """New connections get a new certificate without a signal; existing ones go on."""
    old, new = _AUTHORITY.issue(), _AUTHORITY.issue()
    old.write(tmp_path)
    with serving_tls(tmp_path) as server, server.dial() as client:
        assert _greeted(client) == "127.0.0.1"
        assert server.serial() == old.serial
        new.write(tmp_path)
        while server.serial() != new.serial:
            pass
        _ask(client, "ping", ping=1)
        assert _next(client, "pong")["pong"] == 1
        assert "kept" not in server.program.output


def test_replaced_at_a_signal(tmp_path: Path) -> None:
    """SIGHUP replaces the certificate at once, links as certbot leaves them included."""
    old, new = _AUTHORITY.issue(), _AUTHORITY.issue()
    for name, pair in (("1", old), ("2", new)):
        (tmp_path / name).mkdir()
        pair.write(tmp_path / name)
    for file in ("privkey.pem", "fullchain.pem"):
        (tmp_path / file).symlink_to(tmp_path / "1" / file)
    with serving_tls(tmp_path) as server:
        assert server.serial() == old.serial
        for file in ("privkey.pem", "fullchain.pem"):
            link = tmp_path / "link"
            link.symlink_to(tmp_path / "2" / file)
            os.replace(link, tmp_path / file)
        server.hang_up()
        while server.serial() != new.serial:
            pass


def test_wrong_key(tmp_path: Path) -> None:
    """A certificate with a wrong key is not used, and the log says so; the previous one still is."""
    old = _AUTHORITY.issue()
    key, _ = old.write(tmp_path)
    with serving_tls(tmp_path) as server:
        (tmp_path / "fullchain.pem").write_bytes(_AUTHORITY.issue().fullchain_pem)
        server.program.wait_for(
            "error .*kept the previous certificate of rendezvous: the key in "
            f'"{key}" does not belong'
        )
        assert server.serial() == old.serial
        with server.dial() as client:
            _greeted(client)


def test_expired(tmp_path: Path) -> None:
    """The server starts with an expired certificate, and logs a warning."""
    _AUTHORITY.issue(days=-1, since_days=90).write(tmp_path)
    with serving_tls(tmp_path) as server:
        server.program.wait_for("warn .*the certificate of rendezvous expired on .*; renew it")
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            server.serial()


@pytest.mark.parametrize("what", ["missing", "not its own", "no certificate", "not to be read"])
def test_cannot_start(what: str, tmp_path: Path) -> None:
    """A certificate that cannot be used is one line with the file and the problem, also in `config check`."""
    pair = _AUTHORITY.issue()
    key, chain = pair.write(tmp_path)
    wrong, why = key, "No such file"
    if what == "missing":
        key.unlink()
    elif what == "not its own":
        key.write_bytes(_AUTHORITY.issue().key_pem())
        why = "does not belong"
    elif what == "no certificate":
        chain.write_text("something else")
        wrong, why = chain, "holds no certificate"
    else:
        key.unlink()
        key.mkdir()
        why = "Is a directory"
    server = TlsServer(tmp_path)
    try:
        assert server.program.finish() == 1, server.program.output
    finally:
        server.program.end()
    lines = [line for line in server.program.lines if line.startswith("wormhole-server: ")]
    assert len(lines) == 1, server.program.output
    assert lines[0].startswith("wormhole-server: rendezvous: ")
    assert str(wrong) in lines[0]
    assert why in lines[0]
    assert "Traceback" not in server.program.output
    endpoint = f"ssl:0:privateKey={key}:certKey={chain}"
    check = subprocess.run(
        [str(BIN / "wormhole-server"), "config", "check", f"--rendezvous={endpoint}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 2
    problem = check.stderr.removeprefix("wormhole-server: --rendezvous: ").rstrip("\n")
    assert lines[0] == f"wormhole-server: rendezvous: {problem}. transit: {problem}\n"


def test_relay(tmp_path: Path) -> None:
    """The relay works behind TLS as well, to the last byte, for clients that speak it."""
    _AUTHORITY.issue().write(tmp_path)
    with serving_tls(tmp_path) as server:
        port = server.transit_port()
        data = os.urandom(3_000_000)
        ends = []
        for side in (b"1", b"2"):
            plain = socket.create_connection(("127.0.0.1", port), SECONDS)
            end = _AUTHORITY.client_context().wrap_socket(plain, server_hostname="localhost")
            end.sendall(b"please relay " + b"a" * 64 + b" for side " + side * 16 + b"\n")
            ends.append(end)
        sender, receiver = ends
        try:
            for end in ends:
                assert end.recv(3) == b"ok\n"
            sending = threading.Thread(target=sender.sendall, args=[data])
            sending.start()
            received = b""
            while len(received) < len(data):
                received += receiver.recv(1 << 16)
            sending.join()
            assert received == data
            # Its last words come before the end, which is a proper one.
            sender.sendall(b"goodbye")
            sender.unwrap()
            assert receiver.recv(100) == b"goodbye"
            assert receiver.recv(100) == b""
        finally:
            for end in ends:
                end.close()


def test_installed(tmp_path: Path) -> None:
    """One command installs a renewed certificate; the server uses it by itself."""
    kept, served = tmp_path / "kept", tmp_path / "served"
    kept.mkdir()
    environment = {
        **os.environ,
        "WORMHOLE_TLS_DIRECTORY": str(served),
        "WORMHOLE_TLS_GROUP": str(os.getgid()),
        "WORMHOLE_SERVICE": "no-such-service",
    }

    def install() -> int:
        pair = _AUTHORITY.issue()
        command = [str(_INSTALL), *map(str, pair.write(kept))]
        subprocess.run(command, env=environment, check=True)
        return pair.serial

    first = install()
    assert (served / "privkey.pem").stat().st_mode & 0o777 == 0o640
    with serving_tls(served) as server:
        assert server.serial() == first
        second = install()
        while server.serial() != second:
            pass
    assert "kept" not in server.program.output


def test_behind_a_proxy(tmp_path: Path) -> None:
    """A trusted proxy that passes TLS through sends a PROXY header before the handshake."""
    _AUTHORITY.issue().write(tmp_path)
    with serving_tls(tmp_path, "--trusted-proxy=127.0.0.0/8") as server:
        plain = socket.create_connection(("127.0.0.1", server.port), SECONDS)
        plain.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n")
        context = _AUTHORITY.client_context()
        with connect(
            f"wss://localhost:{server.port}/v1",
            sock=plain,
            ssl=context,
            server_hostname="localhost",
            compression=None,
        ) as client:
            assert _greeted(client) == "192.0.2.7"


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
def test_no_handshake(said: bytes, tmp_path: Path) -> None:
    """A client that sends nothing, half a handshake or anything else is disconnected without a traceback."""
    _AUTHORITY.issue().write(tmp_path)
    config = tmp_path / "server.toml"
    config.write_text('open-handshake-timeout = "1s"\n')
    with serving_tls(
        tmp_path,
        f"--config={config}",
        "--transit-handshake-timeout=1s",
        "--transit-drain-timeout=1s",
    ) as server:
        transit = server.transit_port()
        for port in (server.port, transit):
            with socket.create_connection(("127.0.0.1", port), SECONDS) as silent:
                silent.sendall(said)
                with contextlib.suppress(ConnectionResetError):
                    while silent.recv(100):
                        pass
        # On a busy machine an honest client takes more than a second.
        config.write_text("")
        server.hang_up()
        server.program.wait_for("Configuration: changed open-handshake-timeout")
        with server.dial() as client:
            _greeted(client)
        assert "Traceback" not in server.program.output
