"""Tests of `wormhole_server.lifecycle.launch`."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.reactors import restore_interpreter
from wormhole_server.errors import StartError, StartStoppedError
from wormhole_server.lifecycle import launch

# What is left of 40 MB in long blocks that were freed, after longer ones.
_LONG_BLOCKS = """
from pathlib import Path
from wormhole_server.lifecycle.launch import tune_interpreter

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

tune_interpreter()
for _ in range(3):
    longer = [b"x" * 900_000, b"y" * 900_000]
    del longer
before = resident()
long, small = [], []
for _ in range(200):
    long.append(b"x" * 600_000)
    small.append(b"x" * 6000)
long.clear()
print(resident() - before)
"""


class FakeReactor:
    """A reactor that starts and stops; `run` does what a test wants to happen meanwhile."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.running = False
        self.stopped = 0
        self._meanwhile = meanwhile
        self._before_shutdown: list[Callable[[], object]] = []
        self._when_running: list[Callable[[], object]] = []

    def addSystemEventTrigger(  # noqa: N802 - the name is Twisted's
        self, phase: str, event: str, function: Callable[[], object]
    ) -> None:
        """Keep the function."""
        assert (phase, event) == ("before", "shutdown")
        self._before_shutdown.append(function)

    def callWhenRunning(self, function: Callable[[], object]) -> None:  # noqa: N802 - the same
        """Call the function now, or as soon as the reactor runs."""
        if self.running:
            function()
        else:
            self._when_running.append(function)

    def stop(self) -> None:
        """Stop, as a signal does."""
        if not self.running:
            raise ReactorNotRunning
        self.running = False
        self.stopped += 1
        for function in self._before_shutdown:
            function()

    def run(self) -> None:
        """Run until the test stops it."""
        self.running = True
        for function in self._when_running:
            function()
        self._meanwhile()
        assert self.stopped


class FakeService(Service):
    """A service whose start succeeds or fails when the test says so."""

    def __init__(self, started: Deferred[None] | None = None) -> None:
        self.started = started or Deferred()
        self.privileged = False

    def privilegedStartService(self) -> None:
        """The step before privileges are dropped."""
        self.privileged = True


class RunTests(SynchronousTestCase):
    def setUp(self) -> None:
        """The messages for the operator."""
        self.said: list[str] = []

    def run_service(self, service: FakeService, meanwhile: Callable[[], None]) -> int:
        """Serve until `meanwhile` has stopped the reactor."""
        self.reactor = FakeReactor(meanwhile)
        return launch.run(service, self.reactor, self.said.append)  # type: ignore[arg-type]

    def test_served(self) -> None:
        """A server that served until a signal exits with 0."""
        service = FakeService()

        def meanwhile() -> None:
            self.assertTrue(service.privileged and service.running)
            service.started.callback(None)
            self.reactor.stop()

        self.assertEqual(self.run_service(service, meanwhile), 0)
        self.assertFalse(service.running)
        self.assertEqual(self.said, [])

    def test_failed_at_once(self) -> None:
        """A start that fails before the reactor runs is one line; the status is 1."""
        service = FakeService(fail(StartError("port 4000 is in use")))
        self.assertEqual(self.run_service(service, lambda: None), 1)
        self.assertFalse(service.running)
        self.assertEqual(self.said, ["port 4000 is in use"])

    def test_failed_later(self) -> None:
        """A start that fails while the reactor runs stops it, and the service with it."""
        service = FakeService()

        def meanwhile() -> None:
            service.started.errback(StartError("the database is not there"))

        self.assertEqual(self.run_service(service, meanwhile), 1)
        self.assertFalse(service.running)
        self.assertEqual(self.said, ["the database is not there"])

    def test_signal_comes_first(self) -> None:
        """A start that a signal has ended has not failed, and does not stop the reactor again."""
        service = FakeService()

        def meanwhile() -> None:
            self.reactor.stop()
            service.started.errback(StartStoppedError("stopped before it had started"))
            for function in self.reactor._when_running:
                function()

        self.assertEqual(self.run_service(service, meanwhile), 0)
        self.assertEqual(self.reactor.stopped, 1)

    def test_unforeseen(self) -> None:
        """An unexpected exception is logged with its traceback; the status is 1."""
        service = FakeService(fail(ZeroDivisionError()))
        self.assertEqual(self.run_service(service, lambda: None), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.said, [])


class LaunchedTests(SynchronousTestCase):
    def setUp(self) -> None:
        """The status that the process would exit with."""
        self.statuses: list[int] = []
        self.reactor = FakeReactor()

    def launched(self, service: FakeService) -> launch.Launched:
        """The service for twistd."""
        return launch.Launched(service, self.reactor, self.statuses.append)  # type: ignore[arg-type]

    def test_served(self) -> None:
        """A start that succeeds changes nothing."""
        service = FakeService()
        launched = self.launched(service)
        launched.privilegedStartService()
        launched.startService()
        service.started.callback(None)
        self.assertTrue(service.privileged and service.running)
        launched.stopService()
        self.assertFalse(service.running)
        self.assertEqual(self.statuses, [])

    def test_failed_at_once(self) -> None:
        """A start that has failed already is raised, so that twistd reports it to its parent process."""
        service = FakeService(fail(StartError("port 4000 is in use")))
        with self.assertRaisesRegex(StartError, "port 4000 is in use"):
            self.launched(service).startService()
        self.assertFalse(service.running)

    def test_failed_later(self) -> None:
        """A start that fails later is logged on one line, and ends the process with 1."""
        service = FakeService()
        self.launched(service).startService()
        self.reactor.running = True
        service.started.errback(StartError("the database is not there"))
        self.assertEqual(self.statuses, [1])
        self.assertEqual(self.reactor.stopped, 1)

    def test_unforeseen(self) -> None:
        """An unexpected exception is logged with its traceback, and ends the process."""
        service = FakeService()
        self.launched(service).startService()
        self.reactor.running = True
        service.started.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.statuses, self.reactor.stopped), ([1], 1))


class TuneTests(SynchronousTestCase):
    def test_tuned(self) -> None:
        """Existing objects are never collected, collections are short, and threads wait for a millisecond."""
        restore_interpreter(self)
        launch.tune_interpreter()
        self.assertGreater(gc.get_freeze_count(), 1000)
        self.assertEqual(gc.get_threshold(), (2_000, 10, 1_000))
        self.assertAlmostEqual(sys.getswitchinterval(), 0.001)

    def test_long_blocks(self) -> None:
        """Memory of long messages goes back to the system, though small objects between them stay."""
        done = subprocess.run(
            [sys.executable, "-c", _LONG_BLOCKS], capture_output=True, text=True, check=True
        )
        self.assertLess(int(done.stdout), 4 << 20)


class HookTests(SynchronousTestCase):
    def test_one_line(self) -> None:
        """An uncaught StartError is reported in one line, any other exception as usual."""
        said: list[str] = []
        others: list[BaseException] = []
        self.patch(sys, "excepthook", lambda _kind, error, _traceback: others.append(error))
        launch.report_start_errors(said.append)
        other = ZeroDivisionError()
        sys.excepthook(StartError, StartError("port in use"), None)
        sys.excepthook(ZeroDivisionError, other, None)
        self.assertEqual(said, ["port in use"])
        self.assertEqual(others, [other])
