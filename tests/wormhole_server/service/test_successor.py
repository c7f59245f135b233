"""Tests of `wormhole_server.service.successor`, with a process that asks in this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from tests.wormhole_server.files import new_path
from tests.wormhole_server.service.handovers import HandoverCase, KeepingNotifier
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.state import VERSION
from wormhole_server.lifecycle.handover.take_over import ask_predecessor


class SuccessorTests(HandoverCase):
    def setUp(self) -> None:
        """A path for the socket."""
        super().setUp()
        self.path = new_path(self, "take-over")
        self.stopped = 0

        def stop() -> None:
            self.stopped += 1

        self.patch(self.reactor, "stop", stop)

    def ask(self, *versions: int) -> Deferred[Any]:
        """Another process asks."""
        return Deferred.fromCoroutine(
            ask_predecessor(self.reactor, str(self.path), versions, lambda: None)
        )

    def test_asked(self) -> None:
        """A process that asks has this one stop, and gets the ports and the connections when it has."""
        waiting = self.peer(0)
        self.until(lambda: self.relay.live.waiting == 1)
        successor = self.successor(str(self.path))
        successor.startService()
        early = self.ask(VERSION)
        self.until(lambda: len(successor._asking) == 1)
        self.assertEqual((successor.is_expected, self.stopped), (False, 0))
        successor.serve()
        self.assertEqual((successor.is_expected, self.stopped), (True, 1))
        successor.stop()
        second = self.ask(VERSION)
        self.until(lambda: len(successor._asking) == 2)
        self.assertEqual(self.stopped, 1)
        successor.hand_over()
        for _ in range(5):
            self.reactor.iterate(0.01)
        self.assertNoResult(early)
        self.assertNoResult(second)
        stopped = successor.stopService()
        self.until(lambda: stopped.called and early.called and second.called)
        self.assertIsNone(self.successResultOf(second))
        self.assertFalse(Path(self.path).exists())
        description, sockets = bundle.unpack(self.successResultOf(early))
        self.addCleanup(bundle.close_all, sockets)
        self.assertIn(b"tcp:4001", description)
        self.assertEqual(len(sockets), 2)
        sockets[1].sendall(b"hello")
        self.expect(waiting, b"hello")

    def test_other_version(self) -> None:
        """One that cannot read the state has this process stop as ever, and gets nothing."""
        successor = self.successor(str(self.path))
        successor.startService()
        successor.serve()
        asked = self.ask(VERSION + 1, VERSION + 2)
        self.until(lambda: self.stopped == 1)
        self.assertFalse(successor.is_expected)
        stopped = successor.stopService()
        self.until(lambda: stopped.called and asked.called)
        self.assertIsNone(self.successResultOf(asked))
        self.assertIn("they may finish", " ".join(self.logged()))

    def test_without_systemd(self) -> None:
        """Where nobody would keep anything, nobody is expected."""
        self.notifier = KeepingNotifier(address=None)
        successor = self.successor()
        successor.startService()
        successor.serve()
        successor.announce()
        successor.stop()
        self.assertFalse(successor.is_expected)
        self.successResultOf(successor.stopService())

    def test_no_memory(self) -> None:
        """Connections that the kernel does not take are closed, and the log says why."""
        self.peer(0)
        self.until(lambda: self.relay.live.waiting == 1)

        def refuse(*_: object) -> None:
            raise OSError("too many references")

        self.patch(bundle, "pack", refuse)
        self.hand_over()
        (line,) = self.logged()
        self.assertIn("too many references", line)
        self.assertEqual(self.relay.live.waiting, 0)

    def test_no_systemd(self) -> None:
        """A systemd that does not answer has kept nothing, and the log says so."""
        self.notifier.answers = False
        self.hand_over()
        (line,) = self.logged()
        self.assertIn("the next process does not answer", line)

    def test_gone(self) -> None:
        """One that has gone is not expected any more; another may take its place, while this stops too."""
        successor = self.successor(str(self.path))
        successor.startService()
        successor.serve()
        self.ask(VERSION)
        self.until(lambda: successor.is_expected)
        successor.stop()
        assert successor._chosen is not None
        successor._chosen.transport.abortConnection()
        self.until(lambda: not successor.is_expected)
        self.ask(VERSION)
        self.until(lambda: successor.is_expected)
        self.assertEqual(self.stopped, 1)
        stopped = successor.stopService()
        self.until(lambda: stopped.called)

    def test_stops_by_itself(self) -> None:
        """One that asks a process which stops already is handed nothing, and goes on when that is gone."""
        successor = self.successor(str(self.path))
        successor.startService()
        successor.serve()
        successor.stop()
        asked = self.ask(VERSION)
        self.until(lambda: len(successor._asking) == 1)
        self.assertEqual((successor.is_expected, self.stopped), (False, 0))
        self.assertNoResult(asked)
        stopped = successor.stopService()
        self.until(lambda: stopped.called and asked.called)
        self.assertIsNone(self.successResultOf(asked))

    def test_announced_long_ago(self) -> None:
        """An announcement that no stop followed is forgotten."""
        successor = self.successor()
        successor.serve()
        successor.announce()
        self.now += 60.0
        successor.stop()
        self.assertFalse(successor.is_expected)

    def test_unusable_path(self) -> None:
        """A path that cannot be a socket is an error that names it."""
        successor = self.successor("/nowhere/at/all")
        error = self.assertRaises(StartError, successor.startService)
        self.assertIn("/nowhere/at/all", str(error))
