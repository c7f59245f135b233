"""Tests of `wormhole_server.service.server`."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import Any

from prometheus_client import generate_latest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport

from tests.wormhole_server.files import new_path
from tests.wormhole_server.listening.connections import Connection
from tests.wormhole_server.logs import LogCase
from tests.wormhole_server.reactors import FakeReactor, restore_interpreter
from wormhole_server.config.settings import Settings
from wormhole_server.config.sources import Flags, load
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.systemd import Notifier
from wormhole_server.service.ready import log_ready
from wormhole_server.service.server import ServerService
from wormhole_server.web.dispatcher import UndecidedConnection


class RecordingNotifier(Notifier):
    """Keeps what systemd would be sent."""

    def __init__(self, sent: list[str], statuses: list[str]) -> None:
        super().__init__(None, lambda: 0.0, 10.0)
        self._sent = sent
        self._statuses = statuses

    def _send(self, *assignments: str, descriptor: int | None = None) -> bool:
        states = [each for each in assignments if not each.startswith("STATUS=")]
        self._sent += states[:1]
        self._statuses += [each for each in assignments if each.startswith("STATUS=")]
        return True


class ServerServiceTests(LogCase):
    def setUp(self) -> None:
        """A server on a reactor in memory, with a database and a file of its own."""
        super().setUp()
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        restore_interpreter(self)
        self.database = new_path(self, "server.db")
        self.file = self.database.with_name("server.toml")
        self.file.write_text('motd = "old"\n')
        self.sent: list[str] = []
        self.statuses: list[str] = []
        self.changed: list[Settings] = []
        self.reactor = FakeReactor()
        self.service = self.make()

    def make(self, **flags: str) -> ServerService:
        """A server with such flags."""
        values = {
            "config": str(self.file),
            "database": f"sqlite:///{self.database}",
            "rendezvous": "tcp:4000:interface=127.0.0.1",
            "transit": "tcp:4001:interface=127.0.0.1",
            "metrics": "tcp:9400:interface=127.0.0.1",
            **flags,
        }
        loaded = load(Flags({name: [value] for name, value in values.items()}), {})
        reactor: Any = self.reactor
        return ServerService(
            loaded,
            reactor,
            lambda: 1e9,
            lambda: 50.0,
            RecordingNotifier(self.sent, self.statuses),
            log_ready,
            [self.changed.append],
        )

    def start(self) -> None:
        """Start it, and the reactor."""
        self.service.startService()
        self.reactor.run()
        self.successResultOf(self.service.started)

    def stop(self) -> Deferred[None]:
        """Begin to stop it."""
        return self.service.stopService()

    def stop_at_once(self) -> None:
        """Stop it, without clients."""
        self.wait_for(self.stop())

    def wait_for(self, stopped: Deferred[None]) -> None:
        """Close the ports, and wait for the thread that closes the database."""
        for port in self.reactor.ports:
            port.close_at_once()
        self.reactor.run_until(lambda: stopped.called)
        self.successResultOf(stopped)

    def test_start(self) -> None:
        """It is ready when the ports are bound, the database is open and the reactor runs."""
        self.service.startService()
        self.assertEqual(self.reactor.bound(), [4000, 4001, 9400])
        self.assertTrue(self.database.exists())
        self.assertNoResult(self.service.started)
        self.assertEqual(self.sent, [])
        self.reactor.run()
        self.successResultOf(self.service.started)
        self.assertEqual(self.sent, ["READY=1"])
        lines = self.logged()
        ready = [line for line in lines if "Ready. On the other machine: " in line]
        self.assertIn("--relay-url=ws://127.0.0.1:4000/v1", ready[0])
        self.assertIn(
            "info: Database: created the tables", " ".join(lines[lines.index(ready[0]) :])
        )
        self.stop_at_once()

    def test_port_in_use(self) -> None:
        """A port that cannot be bound leaves the database unmade, and everything can be stopped."""
        self.reactor.in_use = 9400
        self.service.startService()
        self.failureResultOf(self.service.started, StartError)
        self.assertFalse(self.database.exists())
        self.stop_at_once()
        self.assertEqual(self.reactor.closing(), [4000, 4001])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_delay_only_after_serving(self) -> None:
        """A server that could not start does not wait for load balancers."""
        self.service = self.make(**{"shutdown-delay": "1h"})
        self.reactor.in_use = 9400
        self.service.startService()
        self.failureResultOf(self.service.started, StartError)
        self.stop_at_once()

    def test_stopped_while_starting(self) -> None:
        """A stop before the reactor runs ends the start with an error in one line."""
        self.service.startService()
        self.stop_at_once()
        failure = self.failureResultOf(self.service.started, StartError)
        self.assertEqual(failure.getErrorMessage(), "stopped before the start was complete")

    def test_stop(self) -> None:
        """
        The relay's port is closed first, then the web root's, then the database, then the metrics' port;
        until then systemd's watchdog is notified. No timer is left.
        """
        self.start()
        stopped = self.stop()
        self.assertEqual(self.sent[-1], "STOPPING=1")
        web, relay, metrics = self.reactor.ports
        write_ahead_log = self.database.with_name("server.db-wal")
        self.assertEqual(self.reactor.closing(), [4001])
        assert relay.closing is not None
        relay.closing.callback(None)
        self.assertEqual(self.reactor.closing(), [4000, 4001])
        self.assertTrue(write_ahead_log.exists())
        assert web.closing is not None
        web.closing.callback(None)
        self.reactor.run_until(lambda: metrics.closing is not None)
        self.assertFalse(write_ahead_log.exists())
        self.assertEqual(self.sent[-1], "STOPPING=1")
        self.reactor.advance(5)
        self.assertEqual(self.sent[-1], "WATCHDOG=1")
        self.assertNoResult(stopped)
        assert metrics.closing is not None
        metrics.closing.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_hurry(self) -> None:
        """A hurry ends the delay."""
        self.service = self.make(**{"shutdown-delay": "1h"})
        self.start()
        stopped = self.stop()
        self.assertEqual(self.reactor.closing(), [])
        self.service.hurry()
        self.assertEqual(self.reactor.closing(), [4001])
        self.wait_for(stopped)

    def test_denied_at_the_relay(self) -> None:
        """The relay closes the connection of a client on the deny list, also behind a proxy."""
        denied = new_path(self)
        denied.write_text("192.0.2.7 Not you.\n")
        self.service = self.make(**{"deny-list": str(denied), "trusted-proxy": "127.0.0.1"})
        self.start()
        relay = self.reactor.factories[self.reactor.bound().index(4001)]
        behind_proxy = b"PROXY TCP4 %s 10.0.0.1 999 4001\r\n"
        for peer, data, closed in (
            ("192.0.2.7", b"", True),
            ("192.0.2.8", b"", False),
            ("127.0.0.1", behind_proxy % b"192.0.2.7", True),
            ("127.0.0.1", behind_proxy % b"192.0.2.8", False),
        ):
            connection = Connection(relay, peer)
            if data:
                connection.send(data)
            self.assertEqual(connection.closed, closed, (peer, data))
            connection.lose()
        self.stop_at_once()

    def test_bad_deny_list(self) -> None:
        """A deny list that is not valid keeps the server from starting, before a port is bound."""
        denied = new_path(self)
        denied.write_text("192.0.2\n")
        self.service = self.make(**{"deny-list": str(denied)})
        self.service.startService()
        failure = self.failureResultOf(self.service.started, StartError)
        self.assertIn(f"deny-list: {denied}, line 1:", failure.getErrorMessage())
        self.assertEqual(self.reactor.bound(), [])

    def hang_up(self) -> None:
        """A SIGHUP, and a turn of the reactor."""
        os.kill(os.getpid(), signal.SIGHUP)
        self.reactor.turn()

    def test_reload(self) -> None:
        """SIGHUP reads the file again, and systemd knows when that begins and ends."""
        self.start()
        self.file.write_text('motd = "new"\nshutdown-delay = "7s"\nblur-usage = "60s"\n')
        self.hang_up()
        self.assertEqual(self.sent, ["READY=1", "RELOADING=1", "READY=1"])
        self.assertEqual([each.motd for each in self.changed], ["new"])
        self.assertIn(
            "info: Configuration: changed blur-usage, motd, shutdown-delay.", self.logged()
        )
        stopped = self.stop()
        self.assertEqual(self.reactor.closing(), [])
        self.reactor.advance(7)
        self.wait_for(stopped)

    def test_refused_reload(self) -> None:
        """A refused reload stands in systemd's status until one is accepted, also without a signal."""
        self.start()
        self.file.write_text('mtod = "new"\n')
        self.hang_up()
        self.assertRegex(
            self.statuses[-1], "^STATUS=Serving with the previous configuration: .*refused"
        )
        self.assertEqual(self.sent[-1], "READY=1")
        self.file.write_text('motd = "newer"\n')
        self.reactor.pump([2, 2])
        self.assertEqual(self.statuses[-1], "STATUS=Serving.")
        self.file.write_text('mtod = "newest"\n')
        self.reactor.pump([2, 2])
        self.assertIn("refused", self.statuses[-1])
        self.stop_at_once()

    def test_exceptions(self) -> None:
        """An exception anywhere is counted while the server runs, such as one in a new connection."""
        self.start()
        self.patch(UndecidedConnection, "__init__", lambda *_: 1 // 0)
        for _ in range(2):
            peer = IPv4Address("TCP", "192.0.2.1", 1)
            self.reactor.factories[0].buildProtocol(peer).makeConnection(StringTransport())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        page = generate_latest(self.service._metrics.registry)
        self.assertIn(b"wormhole_process_internal_errors_total 2.0", page)
        self.stop_at_once()

    def test_reload_when_the_file_changes(self) -> None:
        """A file that has changed is read without a signal."""
        self.start()
        self.file.write_text('motd = "newer"\n')
        self.reactor.pump([2, 2])
        self.assertEqual([each.motd for each in self.changed], ["newer"])
        self.stop_at_once()

    def test_no_reload_before_or_after(self) -> None:
        """SIGHUP while the server starts or stops changes nothing, and does not end the process."""
        self.service.startService()
        self.hang_up()
        self.assertEqual(self.sent, [])
        self.reactor.run()
        stopped = self.stop()
        self.hang_up()
        self.assertEqual(self.sent, ["READY=1", "STOPPING=1"])
        self.wait_for(stopped)

    def test_database_of_somebody_else(self) -> None:
        """A database that is not ours is an error."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("CREATE TABLE recipes (name TEXT)")
        self.service.startService()
        failure = self.failureResultOf(self.service.started, StartError)
        self.assertIn("recipes", failure.getErrorMessage())
        self.stop_at_once()
