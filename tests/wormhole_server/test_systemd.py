"""Tests of `wormhole_server.systemd`, with a socket in systemd's place."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.systemd import Notifier, Watchdog, notifier_from


class SystemdCase(SynchronousTestCase):
    def setUp(self) -> None:
        """A socket that hears what systemd would."""
        place = tempfile.TemporaryDirectory(prefix="wormhole-")
        self.addCleanup(place.cleanup)
        self.path = str(Path(place.name) / "notify")
        self.socket = self.bind(self.path)
        self.notifier = Notifier(self.path, lambda: 12.5, 20.0)

    def bind(self, address: str) -> socket.socket:
        """Listen at `address`."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(address)
        listener.setblocking(False)
        return listener

    def heard(self, listener: socket.socket | None = None) -> list[list[str]]:
        """Each message that has come, as its lines."""
        messages = []
        while True:
            try:
                messages.append((listener or self.socket).recv(4096).decode().split("\n"))
            except BlockingIOError:
                return messages


class NotifierTests(SystemdCase):
    def test_states(self) -> None:
        """Each state is said as sd_notify(3) has it, in one datagram."""
        self.notifier.ready("Serving.")
        self.notifier.reloading()
        self.notifier.stopping(45.5)
        self.notifier.status("two\nlines ")
        self.notifier.alive()
        self.assertEqual(
            self.heard(),
            [
                ["READY=1", "STATUS=Serving."],
                ["RELOADING=1", "MONOTONIC_USEC=12500000"],
                ["STOPPING=1", "EXTEND_TIMEOUT_USEC=45500000"],
                ["STATUS=two lines"],
                ["WATCHDOG=1"],
            ],
        )

    def test_abstract(self) -> None:
        """An address that begins with @ has no file."""
        name = self.path.replace("/", "-")
        listener = self.bind("\0" + name)
        Notifier("@" + name).ready("Serving.")
        self.assertEqual(self.heard(listener), [["READY=1", "STATUS=Serving."]])

    def test_nobody_there(self) -> None:
        """Without systemd nothing happens; where it does not answer, nothing but one line in the log."""
        Notifier().ready("Serving.")
        Notifier("").ready("Serving.")
        gone = Notifier(self.path + ".gone")
        gone.ready("Serving.")
        gone.alive()


class WatchdogTests(SystemdCase):
    def test_beats(self) -> None:
        """The reactor's turns are told twice in the time that systemd allows, until it stops."""
        clock = Clock()
        watchdog = Watchdog(clock, self.notifier)
        watchdog.start()
        self.assertEqual(self.heard(), [["WATCHDOG=1"]])
        clock.pump([10.0, 10.0])
        self.assertEqual(self.heard(), [["WATCHDOG=1"]] * 2)
        watchdog.stop()
        clock.advance(100.0)
        self.assertEqual(self.heard(), [])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_not_asked_for(self) -> None:
        """Without a watchdog there is no timer."""
        clock = Clock()
        watchdog = Watchdog(clock, Notifier(self.path))
        watchdog.start()
        watchdog.stop()
        self.assertEqual((self.heard(), clock.getDelayedCalls()), ([], []))


class EnvironmentTests(SystemdCase):
    def seconds(self, **environment: str) -> float | None:
        """How often the watchdog of a process with number 7 wants to hear of it."""
        return notifier_from(environment, 7, lambda: 0.0).watchdog_seconds

    def test_socket(self) -> None:
        """NOTIFY_SOCKET says where to."""
        notifier_from({"NOTIFY_SOCKET": self.path}, 7, lambda: 0.0).alive()
        self.assertEqual(self.heard(), [["WATCHDOG=1"]])

    def test_watchdog(self) -> None:
        """WATCHDOG_USEC says how often, if it is meant for this process and makes sense."""
        self.assertEqual(self.seconds(WATCHDOG_USEC="30000000", WATCHDOG_PID="7"), 30.0)
        self.assertEqual(self.seconds(WATCHDOG_USEC="500000"), 0.5)
        self.assertIsNone(self.seconds(WATCHDOG_USEC="30000000", WATCHDOG_PID="8"))
        for value in ("", "0", "-1", "soon"):
            self.assertIsNone(self.seconds(WATCHDOG_USEC=value))
        self.assertIsNone(self.seconds())
