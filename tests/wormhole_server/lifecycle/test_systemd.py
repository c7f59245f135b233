"""Tests of `wormhole_server.lifecycle.systemd`, with a socket in systemd's place."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
import threading
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.lifecycle import systemd
from wormhole_server.lifecycle.systemd import Notifier, make_watchdog, notifier_from


class SystemdCase(SynchronousTestCase):
    def setUp(self) -> None:
        """A socket that receives what systemd would receive."""
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

    def received(self, listener: socket.socket | None = None) -> list[list[str]]:
        """The lines of each datagram since the last call."""
        messages = []
        while True:
            try:
                messages.append((listener or self.socket).recv(4096).decode().split("\n"))
            except BlockingIOError:
                return messages


class KeepTests(SystemdCase):
    def test_kept(self) -> None:
        """A descriptor is sent with its name, and the barrier is waited for."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        said: list[bool] = []
        keeping = threading.Thread(target=lambda: said.append(self.notifier.keep(writing)))
        keeping.start()
        self.socket.settimeout(10.0)
        message, (kept,), _, _ = socket.recv_fds(self.socket, 4096, 10)
        self.assertEqual(message.decode().split("\n"), ["FDSTORE=1", "FDNAME=handover", "FDPOLL=0"])
        message, (barrier,), _, _ = socket.recv_fds(self.socket, 4096, 10)
        self.assertEqual(message, b"BARRIER=1")
        keeping.join(0.1)
        self.assertTrue(keeping.is_alive())
        os.close(barrier)
        keeping.join()
        self.assertEqual(said, [True])
        os.close(writing)
        os.write(kept, b"x")
        os.close(kept)
        self.assertEqual(os.read(reading, 2), b"x")
        self.notifier.forget_kept()
        self.assertEqual(self.socket.recv(4096), b"FDSTOREREMOVE=1\nFDNAME=handover")

    def test_many_descriptors(self) -> None:
        """A process with more than 1,024 descriptors waits too, and not for ever."""
        self.patch(systemd, "_SEND_SECONDS", 0.1)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(2048, before[0]), before[1]))
        while (descriptor := os.dup(self.socket.fileno())) < 1024:
            self.addCleanup(os.close, descriptor)
        self.addCleanup(os.close, descriptor)
        self.assertFalse(self.notifier.keep(descriptor))
        self.assertEqual([first for first, *_ in self.received()], ["FDSTORE=1", "BARRIER=1"])

    def test_found(self) -> None:
        """The next process finds it by its name, whatever else it inherits."""
        names = {"LISTEN_FDNAMES": "rendezvous:transit:handover"}
        for environment, kept in (
            ({**names, "LISTEN_PID": "7", "LISTEN_FDS": "3"}, 5),
            (names, 5),  # Twisted's endpoints have removed the rest
            ({**names, "LISTEN_PID": "8", "LISTEN_FDS": "3"}, None),
            ({"LISTEN_FDNAMES": "rendezvous:transit"}, None),
            ({}, None),
        ):
            with self.subTest(environment=environment):
                self.assertEqual(notifier_from(environment, 7, lambda: 0.0).kept, kept)

    def test_nobody(self) -> None:
        """Without systemd nothing is kept, and nobody is waited for."""
        nobody = Notifier(None, lambda: 0.0, None)
        self.assertEqual((nobody.is_there, self.notifier.is_there), (False, True))
        self.assertFalse(nobody.keep(0))
        nobody.forget_kept()


class NotifierTests(SystemdCase):
    def test_states(self) -> None:
        """Each state is one datagram, as in sd_notify(3)."""
        self.notifier.waiting("Waiting.", 120.0)
        self.notifier.ready("Serving.")
        self.notifier.reloading()
        self.notifier.stopping(45.5)
        self.notifier.status("two\nlines ")
        self.notifier.alive()
        self.assertEqual(
            self.received(),
            [
                ["STATUS=Waiting.", "EXTEND_TIMEOUT_USEC=720000000"],
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
        Notifier("@" + name, float, None).ready("Serving.")
        self.assertEqual(self.received(listener), [["READY=1", "STATUS=Serving."]])

    def test_no_systemd(self) -> None:
        """Without systemd nothing is sent; where its socket is gone, that is logged once."""
        Notifier(None, float, None).ready("Serving.")
        Notifier("", float, None).ready("Serving.")
        gone = Notifier(self.path + ".gone", float, None)
        with capturedLogs() as logged:
            gone.ready("Serving.")
            gone.alive()
        (event,) = logged
        self.assertIn("systemd cannot be notified: ", formatEvent(event))


class WatchdogTests(SystemdCase):
    def test_interval(self) -> None:
        """systemd is notified twice in the time that it allows, until the stop."""
        clock = Clock()
        watchdog = make_watchdog(clock, self.notifier)
        watchdog.startService()
        clock.pump([9.9])
        self.assertEqual(self.received(), [])
        clock.pump([0.1, 10.0])
        self.assertEqual(self.received(), [["WATCHDOG=1"]] * 2)
        watchdog.stopService()
        clock.advance(100.0)
        self.assertEqual(self.received(), [])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_no_watchdog(self) -> None:
        """Without a watchdog there is no timer."""
        clock = Clock()
        make_watchdog(clock, Notifier(self.path, float, None)).startService()
        self.assertEqual((self.received(), clock.getDelayedCalls()), ([], []))


class EnvironmentTests(SystemdCase):
    def seconds(self, **environment: str) -> float | None:
        """The watchdog time of the process with number 7."""
        return notifier_from(environment, 7, lambda: 0.0).watchdog_seconds

    def test_socket(self) -> None:
        """NOTIFY_SOCKET names the socket."""
        notifier_from({"NOTIFY_SOCKET": self.path}, 7, lambda: 0.0).alive()
        self.assertEqual(self.received(), [["WATCHDOG=1"]])

    def test_watchdog(self) -> None:
        """WATCHDOG_USEC counts where it is valid and meant for this process."""
        self.assertEqual(self.seconds(WATCHDOG_USEC="30000000", WATCHDOG_PID="7"), 30.0)
        self.assertEqual(self.seconds(WATCHDOG_USEC="500000"), 0.5)
        self.assertIsNone(self.seconds(WATCHDOG_USEC="30000000", WATCHDOG_PID="8"))
        for value in ("", "0", "-1", "soon"):
            self.assertIsNone(self.seconds(WATCHDOG_USEC=value))
        self.assertIsNone(self.seconds())
