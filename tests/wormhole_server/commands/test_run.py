"""Tests of `wormhole_server.commands.run`, on a reactor in memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import twisted.internet
import twisted.internet.reactor
import twisted.logger
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.commands.runs import Run, run
from tests.wormhole_server.files import new_path
from tests.wormhole_server.reactors import FakeReactor, restore_interpreter
from wormhole_server.commands.command import ExitStatus
from wormhole_server.commands.run import RUN


class StoppableReactor(FakeReactor):
    """A reactor that stops."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False
        self.before_shutdown: list[Callable[[], object]] = []

    def addSystemEventTrigger(  # noqa: N802 - Twisted's
        self, phase: str, event: str, call: Callable[[], object]
    ) -> None:
        self.before_shutdown.append(call)

    def stop(self) -> None:
        self.stopped = True

    def sigInt(self, number: int, frame: Any = None) -> None:  # noqa: N802 - Twisted's
        self.stop()


class NoLog:
    """Begins no log: that of the test run goes on."""

    def __init__(self) -> None:
        self.observers: list[Any] = []

    def beginLoggingTo(self, observers: list[Any], **_: object) -> None:  # noqa: N802 - Twisted's
        self.observers += observers


class RunTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A reactor in memory in place of the process's."""
        restore_interpreter(self)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = StoppableReactor()
        self.log = NoLog()
        self.patch(twisted.internet, "reactor", self.reactor)
        self.patch(twisted.logger, "globalLogBeginner", self.log)
        self.database = new_path(self, "server.db")

    def run_command(self, *flags: str) -> Run:
        """Serve on ports that exist in memory only."""
        ports = [f"--{name}=tcp:{number}:interface=127.0.0.1" for name, number in self.PORTS]
        return run(RUN, f"--database=sqlite:///{self.database}", *ports, *flags)

    PORTS = (("rendezvous", 4000), ("transit", 4001), ("metrics", 9400))

    def test_served(self) -> None:
        """The ports are bound, the log goes to the terminal, and stopping the reactor stops the server."""
        self.assertEqual(self.run_command(), Run(ExitStatus.OK, "", ""))
        self.assertEqual(self.reactor.bound(), [4000, 4001, 9400])
        self.assertEqual(len(self.log.observers), 1)
        (stop,) = self.reactor.before_shutdown
        stopped: Any = stop()
        for port in self.reactor.ports:
            port.close_at_once()
        self.reactor.run_until(lambda: stopped.called)
        self.successResultOf(stopped)

    def test_failed(self) -> None:
        """A port in use is reported in one line, with status 1, and no database is created."""
        self.reactor.in_use = 4001
        found = self.run_command()
        self.assertEqual((found.status, found.out), (ExitStatus.FAILED, ""))
        self.assertTrue(found.err.startswith("wormhole-server: transit: "), found.err)
        self.assertEqual(len(found.err.splitlines()), 1)
        self.assertTrue(self.reactor.stopped)
        self.assertFalse(self.database.exists())


# A server on SQLite with a current schema needs none of them.
_UNUSED = {"alembic", "psycopg", "pycparser", "sqlalchemy.dialects.postgresql"}
_PROGRAM = f"""
import sys
from wormhole_server import cli
from wormhole_server.commands import run
from wormhole_server.database.migrate import migrate
from wormhole_server.service import server
from rendezvous.database import open_engine
from sqlalchemy import make_url
for _ in range(2):
    migrate(open_engine(make_url("sqlite:///" + sys.argv[1])))
print({_UNUSED} & set(sys.modules))
"""


class ImportTests(SynchronousTestCase):
    @pytest.mark.processes
    def test_unused(self) -> None:
        """A start imports nothing for migrations, for PostgreSQL, or for native code of Autobahn."""
        database = new_path(self, "server.db")
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(database)],
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(done.stdout.strip(), "set()")
