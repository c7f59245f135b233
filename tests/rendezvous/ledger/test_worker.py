"""Tests of `rendezvous.ledger.worker`."""

from __future__ import annotations

import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger.worker import Worker
from tests.rendezvous.fakes import Reactor


class WorkerTests(SynchronousTestCase):
    """One thread, one thing after another."""

    def setUp(self) -> None:
        """Start one."""
        self.reactor = Reactor()
        self.worker = Worker(self.reactor, "test")
        self.addCleanup(self.worker.stop)
        self.events: list[tuple[str, bool]] = []

    def task(self, name: str) -> Callable[[], Callable[[], object]]:
        """Notes that it ran, then that its end was told; and whether that was in this thread."""
        here = threading.get_ident()

        def told() -> None:
            self.events.append((f"{name} told", threading.get_ident() == here))

        def run() -> Callable[[], object]:
            self.events.append((f"{name} ran", threading.get_ident() == here))
            return told

        return run

    def run_task(self, name: str) -> None:
        """Give the worker a task, which must not fail."""
        self.worker.run(self.task(name), self.fail)

    def test_threads(self) -> None:
        """A task runs in the other thread; what it returns runs in the reactor's."""
        self.run_task("a")
        self.reactor.wait()
        self.assertEqual(self.events, [("a ran", False), ("a told", True)])

    def test_order(self) -> None:
        """Tasks run in the order in which they were given, one at a time."""
        names = [str(number) for number in range(50)]
        for name in names:
            self.run_task(name)
        while len(self.events) < 2 * len(names):
            self.reactor.wait()
        ran = [name for name, here in self.events if not here]
        told = [name for name, here in self.events if here]
        self.assertEqual(ran, [f"{name} ran" for name in names])
        self.assertEqual(told, [f"{name} told" for name in names])

    def test_exception(self) -> None:
        """A task that raises is reported on the reactor's thread, and the next tasks run."""
        here = threading.get_ident()
        failures: list[tuple[type[Exception], bool]] = []

        def broken() -> Callable[[], object]:
            raise ZeroDivisionError

        def failed(error: Exception) -> None:
            failures.append((type(error), threading.get_ident() == here))

        self.worker.run(broken, failed)
        self.run_task("a")
        while len(self.events) < 2:
            self.reactor.wait()
        self.assertEqual(failures, [(ZeroDivisionError, True)])

    def test_exit(self) -> None:
        """Nor does the thread end of an exception that ends threads: a library may raise one."""
        failures: list[Exception] = []

        def leave() -> Callable[[], object]:
            raise SystemExit

        self.worker.run(leave, failures.append)
        self.run_task("a")
        while len(self.events) < 2:
            self.reactor.wait()
        self.assertEqual([type(failure) for failure in failures], [RuntimeError])

    def test_daemon(self) -> None:
        """A task that never ends does not keep the process from ending."""
        self.assertTrue(self.worker._thread.daemon)

    def test_stop(self) -> None:
        """A thread that is stopped finishes what it was given, and ends."""
        self.run_task("a")
        self.worker.stop()
        self.worker._thread.join(10.0)
        self.assertFalse(self.worker._thread.is_alive())
        self.reactor.turn()
        self.assertEqual(len(self.events), 2)
