"""A signal ends every command of our client, whatever it is doing, without a word of an error."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from websockets.sync.server import ServerConnection, serve

from tests.end_to_end.client_processes import RUN_SECONDS, ours
from tests.ports import free_port

WELCOME = '{"type": "welcome", "welcome": {}}'


@contextlib.contextmanager
def silent_port() -> Iterator[tuple[int, threading.Event]]:
    """A port that accepts connections and says nothing; the event is set when it has been sent bytes."""
    asked = threading.Event()
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    kept.append(connection)
                    threading.Thread(target=read, args=(connection,), daemon=True).start()

        def read(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                if connection.recv(1):
                    asked.set()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1], asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()


@contextlib.contextmanager
def welcoming_port() -> Iterator[tuple[int, threading.Event]]:
    """A rendezvous server that says welcome, and answers no command."""
    asked = threading.Event()

    def handle(connection: ServerConnection) -> None:
        connection.send(WELCOME)
        for text in connection:
            if "allocate" in str(text):
                asked.set()

    with serve(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1], asked
        server.shutdown()


class InterruptTests(SynchronousTestCase):
    def interrupt(
        self, asked: threading.Event, signal_: signal.Signals, *arguments: str
    ) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(
            ours(*arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            self.assertTrue(asked.wait(RUN_SECONDS))
            process.send_signal(signal_)
            out, _ = process.communicate(timeout=RUN_SECONDS)
        finally:
            process.kill()
            process.wait()
        return process.returncode, out.decode()

    def test_steps(self) -> None:
        """A check, once or repeated, is ended by a signal within each step that waits."""
        nobody = f"--transit-helper=tcp:127.0.0.1:{free_port()}"
        metrics = f"--metrics=tcp:{free_port()}:interface=127.0.0.1"
        for repeat in ([], ["--watch=60", metrics]):
            for step, port in (("welcome", silent_port), ("exchange", welcoming_port)):
                with self.subTest(step=step, repeat=repeat), port() as (number, asked):
                    url = f"--relay-url=ws://127.0.0.1:{number}/v1"
                    status, out = self.interrupt(
                        asked, signal.SIGINT, "check", url, nobody, *repeat
                    )
                    self.assertEqual(status, 130, out)
                    self.assertNotIn("✘", out)
                    self.assertNotIn("Cancelled", out)

    def test_relay(self) -> None:
        """So it is while it waits for the relay."""
        nobody = f"--relay-url=ws://127.0.0.1:{free_port()}/v1"
        with silent_port() as (number, asked):
            relay = f"--transit-helper=tcp:127.0.0.1:{number}"
            status, out = self.interrupt(asked, signal.SIGTERM, "check", nobody, relay)
        self.assertEqual(status, 130, out)
        self.assertNotIn("relay over TCP", out)

    def test_load(self) -> None:
        """A load that is stopped prints what it has measured; what was under way has not failed."""
        with welcoming_port() as (number, asked):
            url = f"--relay-url=ws://127.0.0.1:{number}/v1"
            status, out = self.interrupt(asked, signal.SIGINT, "load", url, "--exchanges=20")
        self.assertEqual(status, 130, out)
        self.assertNotIn("Cancelled", out)
        row = next(line.split() for line in out.splitlines() if line.startswith("exchanges  "))
        self.assertEqual(row[1:3], ["0", "0"])
