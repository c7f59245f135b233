"""Tests of `wormhole_server.commands.health`."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.commands.runs import Run, run
from wormhole_server.commands.command import ExitStatus
from wormhole_server.commands.health import HEALTH


class HealthTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A port that listens."""
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listening.close)
        self.port = self.listening.getsockname()[1]
        self.flag = f"--rendezvous=tcp:{self.port}:interface=127.0.0.1"

    def ask(self, answer: bytes, *words: str) -> tuple[Run, bytes]:
        """Run the command against a server with one answer; the run, and the first line of the request."""
        requests: list[bytes] = []

        def serve() -> None:
            connection, _ = self.listening.accept()
            with connection, connection.makefile("rb") as stream:
                requests.append(stream.readline())
                while stream.readline().strip():
                    pass
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        found = run(HEALTH, self.flag, *words)
        server.join()
        return found, requests[0]

    def test_ready(self) -> None:
        """A server that answers 200 to /readyz is ready, and its answer is printed."""
        found, request = self.ask(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nReady.")
        self.assertEqual(found, Run(ExitStatus.OK, "Ready.\n", ""))
        self.assertEqual(request, b"GET /readyz HTTP/1.1\r\n")

    def test_alive(self) -> None:
        """--alive requests /healthz."""
        _, request = self.ask(b"HTTP/1.1 200 OK\r\n\r\n", "--alive")
        self.assertEqual(request, b"GET /healthz HTTP/1.1\r\n")

    def test_not_ready(self) -> None:
        """Another status is a failure, with the server's reason."""
        found, _ = self.ask(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nFull.")
        self.assertEqual((found.status, found.out), (ExitStatus.FAILED, ""))
        self.assertEqual(
            found.err,
            f"wormhole-server: 127.0.0.1:{self.port} answers /readyz with 503: Full.\n",
        )

    def test_silent(self) -> None:
        """A server that does not answer in time is a failure."""
        found = run(HEALTH, self.flag, "--timeout=0.05s")
        self.assertEqual(found.status, ExitStatus.FAILED)
        self.assertIn("nothing within 0.05 s", found.err)

    def test_stopped(self) -> None:
        """A port where nothing listens is a failure, with what to do."""
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        found = run(HEALTH, f"--rendezvous=tcp:{port}:interface=127.0.0.1")
        self.assertEqual(found.status, ExitStatus.FAILED)
        self.assertIn(f"nothing answers at 127.0.0.1:{port}", found.err)
        self.assertIn("start the server", found.err)

    def test_invalid_timeout(self) -> None:
        """A timeout that is not a duration above 0 is refused."""
        for timeout in ("soon", "0"):
            found = run(HEALTH, self.flag, f"--timeout={timeout}")
            self.assertEqual((found.status, found.out), (ExitStatus.UNUSABLE, ""))
            self.assertTrue(found.err.startswith("wormhole-server: --timeout: "), found.err)
