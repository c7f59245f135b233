"""Tests of `wormhole_server.lifecycle.handover.take_over`, both ends in one process."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.selectreactor import SelectReactor

from tests.wormhole_server.logs import LogCase
from wormhole_server.lifecycle.handover.bundle import pack, unpack
from wormhole_server.lifecycle.handover.take_over import (
    SuccessorConnection,
    ask_predecessor,
    wait_for_successor,
)


class SuccessorConnectionTests(LogCase):
    def setUp(self) -> None:
        """A reactor of its own, and a place for the socket."""
        super().setUp()
        place = tempfile.TemporaryDirectory(prefix="wormhole-")
        self.addCleanup(place.cleanup)
        self.path = str(Path(place.name) / "take-over")
        self.reactor: Any = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.arrived: list[tuple[SuccessorConnection, Collection[int]]] = []
        self.found = 0

    def wait(self) -> Any:
        """Wait for a successor."""
        port = wait_for_successor(
            self.reactor, self.path, lambda *arrived: self.arrived.append(arrived)
        )
        self.addCleanup(port.stopListening)
        return port

    def ask(self) -> Deferred[int | None]:
        """Be a successor."""

        def found() -> None:
            self.found += 1

        return Deferred.fromCoroutine(ask_predecessor(self.reactor, self.path, {3, 1}, found))

    def run_until(self, so: Callable[[], object]) -> None:
        """Run the reactor until something is so."""
        while not so():
            self.reactor.iterate(0.01)

    def test_bundle(self) -> None:
        """The successor says which versions it reads, and has the bundle when the other has gone."""
        self.wait()
        self.assertEqual(Path(self.path).stat().st_mode & 0o777, 0o600)
        asked = self.ask()
        self.run_until(lambda: self.arrived)
        ((connection, versions),) = self.arrived
        self.assertEqual((list(versions), self.found), ([1, 3], 1))
        packed = pack(b"everything", [])
        connection.send(packed)
        for _ in range(5):
            self.reactor.iterate(0.01)
        self.assertNoResult(asked)
        closed = connection.close()
        self.run_until(lambda: asked.called and closed.called)
        received = self.successResultOf(asked)
        assert received is not None
        self.assertRaises(OSError, os.fstat, packed)
        self.assertFalse(os.get_inheritable(received))
        self.assertEqual(unpack(received), (b"everything", []))
        self.assertEqual(self.logged(), [])

    def test_nothing(self) -> None:
        """A server that hands over nothing only ends."""
        self.wait()
        asked = self.ask()
        self.run_until(lambda: self.arrived)
        self.arrived[0][0].close()
        self.run_until(lambda: asked.called)
        self.assertIsNone(self.successResultOf(asked))

    def test_nobody(self) -> None:
        """Without a file there is nobody to ask; a file that was left behind is replaced."""
        asked = self.ask()
        self.run_until(lambda: asked.called)
        self.assertIsNone(self.successResultOf(asked))
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(self.path)
            left.listen()
        asked = self.ask()
        self.run_until(lambda: asked.called)
        self.assertEqual((self.successResultOf(asked), self.found), (None, 0))
        self.wait()
        asked = self.ask()
        self.run_until(lambda: self.arrived)

    def test_another_file(self) -> None:
        """A file that is no socket is left as it is, and cannot be used."""
        Path(self.path).write_text("precious")
        self.assertRaises(
            CannotListenError, wait_for_successor, self.reactor, self.path, lambda *_: None
        )
        self.assertEqual(Path(self.path).read_text(), "precious")

    def test_no_directory(self) -> None:
        """A path that cannot be looked up is an error, and not nobody."""
        self.path = str(Path(__file__) / "take-over")
        asked = self.ask()
        self.run_until(lambda: asked.called)
        self.failureResultOf(asked, ConnectError)

    def test_garbage(self) -> None:
        """One that says something else is disconnected."""
        self.wait()
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(self.path)
            stranger.sendall(b"GET /\n")
            stranger.settimeout(0.0)
            ended: list[bool] = []

            def has_ended() -> bool:
                try:
                    ended.append(stranger.recv(1) == b"")
                except BlockingIOError:
                    pass
                except ConnectionResetError:
                    ended.append(True)
                return bool(ended)

            self.run_until(has_ended)
        self.assertEqual(self.arrived, [])

    def test_gone_before(self) -> None:
        """A successor that has gone holds nobody up."""
        self.wait()
        with socket.socket(socket.AF_UNIX) as impatient:
            impatient.connect(self.path)
            impatient.sendall(b"[1]\n")
            self.run_until(lambda: self.arrived)
        connection, _ = self.arrived[0]
        self.run_until(lambda: not connection.connected)
        self.successResultOf(connection.close())
