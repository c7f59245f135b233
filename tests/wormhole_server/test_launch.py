"""Tests of `wormhole_server.launch`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server import launch
from wormhole_server.errors import StartError


class FakeReactor:
    """As much of a reactor as starts and stops; `run` does what a test wants to happen meanwhile."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.running = False
        self.stopped = 0
        self._meanwhile = meanwhile
        self._before_shutdown: list[Callable[[], object]] = []
        self._when_running: list[Callable[[], object]] = []

    def addSystemEventTrigger(  # noqa: N802 - the name is Twisted's
        self, phase: str, event: str, function: Callable[[], object]
    ) -> None:
        """Remember what to do before shutdown."""
        assert (phase, event) == ("before", "shutdown")
        self._before_shutdown.append(function)

    def callWhenRunning(self, function: Callable[[], object]) -> None:  # noqa: N802 - the same
        """Do it now, or as soon as it runs."""
        if self.running:
            function()
        else:
            self._when_running.append(function)

    def stop(self) -> None:
        """What a signal does, too."""
        if not self.running:
            raise ReactorNotRunning
        self.running = False
        self.stopped += 1
        for function in self._before_shutdown:
            function()

    def run(self) -> None:
        """Run until something stops it, which the test has to see to."""
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
        """What is done as root."""
        self.privileged = True


class RunTests(SynchronousTestCase):
    def setUp(self) -> None:
        """What the operator is told."""
        self.said: list[str] = []

    def run_service(self, service: FakeService, meanwhile: Callable[[], None]) -> int:
        """Serve until `meanwhile` has stopped the reactor."""
        self.reactor = FakeReactor(meanwhile)
        return launch.run(service, self.reactor, self.said.append)  # type: ignore[arg-type]

    def test_served(self) -> None:
        """A server that started, and was stopped by a signal, leaves with 0."""
        service = FakeService()

        def meanwhile() -> None:
            self.assertTrue(service.privileged and service.running)
            service.started.callback(None)
            self.reactor.stop()

        self.assertEqual(self.run_service(service, meanwhile), 0)
        self.assertFalse(service.running)
        self.assertEqual(self.said, [])

    def test_failed_at_once(self) -> None:
        """A start that failed before the reactor ran is told on one line; the status is 1."""
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
        """A start that is given up because of a signal stops nothing a second time."""
        service = FakeService()

        def meanwhile() -> None:
            self.reactor.stop()
            service.started.errback(StartError("stopped before it had started"))
            for function in self.reactor._when_running:
                function()

        self.assertEqual(self.run_service(service, meanwhile), 1)
        self.assertEqual(self.reactor.stopped, 1)

    def test_unforeseen(self) -> None:
        """An exception that nobody foresaw is logged with its traceback; the status is 1."""
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
        """The service as twistd has it."""
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
        """A start that failed already is raised, where twistd tells its parent process."""
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
        """An exception that nobody foresaw is logged with its traceback, and ends the process."""
        service = FakeService()
        self.launched(service).startService()
        self.reactor.running = True
        service.started.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.statuses, self.reactor.stopped), ([1], 1))


class HookTests(SynchronousTestCase):
    def test_one_line(self) -> None:
        """A StartError that nobody catches is told in its line; all else as Python does."""
        said: list[str] = []
        others: list[BaseException] = []
        self.patch(sys, "excepthook", lambda _kind, error, _traceback: others.append(error))
        launch.tell_in_one_line(said.append)
        other = ZeroDivisionError()
        sys.excepthook(StartError, StartError("port in use"), None)
        sys.excepthook(ZeroDivisionError, other, None)
        self.assertEqual(said, ["port in use"])
        self.assertEqual(others, [other])
