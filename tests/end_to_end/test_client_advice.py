"""What `wormhole-client check` advises, against real ports with one thing wrong each."""

import contextlib
import datetime as dt
import email.utils
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority, Pair
from tests.end_to_end.client_processes import RUN_SECONDS, ours, servers
from tests.ports import free_port

Handler = Callable[[socket.socket], None]


@contextlib.contextmanager
def port(handle: Handler) -> Iterator[int]:
    """Listen, and give each connection to a handler in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                handle(connection)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def tls(pair: Pair, date: dt.datetime | None = None) -> Handler:
    """Make a web server with TLS, whose clock shows a date."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        key, chain = pair.write(Path(directory))
        context.load_cert_chain(chain, key)
    shown = email.utils.format_datetime(date or dt.datetime.now(dt.UTC))

    def handle(connection: socket.socket) -> None:
        secured = context.wrap_socket(connection, server_side=True)
        secured.recv(65536)
        secured.sendall(f"HTTP/1.1 404 Not Found\r\nDate: {shown}\r\n\r\n".encode())

    return handle


def pump(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(change(data))
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def forward(number: int, change: Callable[[bytes], bytes], idle: float | None = None) -> Handler:
    """Make a proxy that changes what it forwards to a client, or cuts silent connections."""

    def handle(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", number)) as server:
            connection.settimeout(idle)
            back = threading.Thread(target=pump, args=(server, connection, change), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    server.sendall(data)
            for each in (connection, server):
                each.shutdown(socket.SHUT_RDWR)
            back.join()

    return handle


class AdviceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.authority = Authority()
        self.trusted = self.authority.trust(self.directory / "root.pem")

    def check(self, *arguments: str) -> dict[str, dict[str, str]]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SSL_CERT_FILE": str(self.trusted),
        }
        done = subprocess.run(
            ours("check", "--json", "--size=1000000", *arguments),
            env=environment,
            capture_output=True,
            text=True,
            timeout=2 * RUN_SECONDS,
            check=False,
        )
        self.assertEqual(done.returncode, 1, done.stderr)
        return {step["step"]: step for step in json.loads(done.stdout)["steps"]}

    def check_url(self, url: str) -> dict[str, dict[str, str]]:
        nobody = f"--transit-helper=tcp:127.0.0.1:{free_port()}"
        return self.check(f"--relay-url={url}", nobody, "--idle=0")

    def test_wrong_scheme(self) -> None:
        """A URL with the wrong scheme for its port is named as that, whatever the port answers."""
        with servers() as running, port(tls(self.authority.issue())) as secured:
            plain = self.check_url(f"wss://localhost:{running.rendezvous}/v1")
            self.assertIn("use ws://", plain["TLS"]["advice"])
            secure = self.check_url(f"ws://localhost:{secured}/v1")
            self.assertIn("use wss://", secure["WebSocket and welcome"]["advice"])

    def test_certificates(self) -> None:
        """Each fault of a certificate has its own advice, with the dates and the clocks."""
        ours, now = self.authority, dt.datetime.now(dt.UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        alone = Pair(key, [ours._sign("localhost", key, "localhost", key)])
        expired, future = ours.issue(days=-1, since_days=9), ours.issue(since_days=-2)
        before = now - dt.timedelta(days=3)
        for handler, words in (
            (tls(expired), (f"to {now - dt.timedelta(days=1):%Y-%m-%d}", "renew")),
            (tls(future), (f"from {now + dt.timedelta(days=2):%Y-%m-%d}", f"says {now:%Y-%m-%d}")),
            (tls(expired, before), (f"the server's {before:%Y-%m-%d}", "clock that is wrong")),
            (tls(alone), ("self-signed",)),
            (tls(Authority().issue()), ("issued by CN=Between", "fullchain.pem")),
        ):
            with self.subTest(words=words), port(handler) as number:
                advice = self.check_url(f"wss://localhost:{number}/v1")["TLS"]["advice"]
                for word in words:
                    self.assertIn(word, advice)

    def test_nothing_behind(self) -> None:
        """A port that accepts connections and has nothing behind it is named as that."""
        with port(lambda _: None) as number:
            found = self.check(
                f"--relay-url=ws://localhost:{number}/v1",
                f"--transit-helper=tcp:127.0.0.1:{number}",
                "--idle=0",
            )
            for step in ("WebSocket and welcome", "relay over TCP"):
                self.assertIn("to a server that does not run", found[step]["advice"])
            secure = self.check_url(f"wss://localhost:{number}/v1")
            self.assertIn("to a server that does not run", secure["TLS"]["advice"])

    def test_changed_bytes(self) -> None:
        """A relay that changes bytes is named as that, wherever the change hits."""

        def change(data: bytes) -> bytes:
            # What follows the relay's ok may come with it.
            ok, rest = (data[:3], data[3:]) if data.startswith(b"ok\n") else (b"", data)
            return ok + (rest.replace(rest[-1:], b"\x00") if rest else b"")

        def late(data: bytes) -> bytes:
            return data[:-1] + bytes([data[-1] ^ 1]) if len(data) > 1000 else data

        with servers() as running:
            for how in (change, late):
                with self.subTest(how=how), port(forward(running.transit, how)) as number:
                    found = self.check(
                        f"--relay-url={running.relay_url}",
                        f"--transit-helper=tcp:127.0.0.1:{number}",
                        "--idle=0",
                    )
                    self.assertIn("changes or loses bytes", found["relay over TCP"]["advice"])

    def test_idle(self) -> None:
        """A proxy that cuts idle connections fails the steps that keep still, and no other."""
        with (
            servers() as running,
            port(forward(running.rendezvous, bytes, 1.0)) as number,
            port(forward(running.transit, bytes, 1.0)) as relay,
        ):
            found = self.check(
                f"--relay-url=ws://127.0.0.1:{number}/v1",
                f"--transit-helper=tcp:127.0.0.1:{relay}",
                "--idle=20",
            )
        failed = [name for name, step in found.items() if not step["ok"]]
        self.assertEqual(failed, ["idle connection", "idle pair at the relay"])
        for name in failed:
            self.assertIn("of silence", found[name]["detail"])
            self.assertIn("proxy_read_timeout", found[name]["advice"])
