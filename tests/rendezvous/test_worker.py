"""Tests of `rendezvous.worker`."""

from __future__ import annotations

import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.worker import Worker
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

    def test_threads(self) -> None:
        """A task runs in the other thread; what it returns runs in the reactor's."""
        self.worker.do(self.task("a"))
        self.reactor.wait()
        self.assertEqual(self.events, [("a ran", False), ("a told", True)])

    def test_order(self) -> None:
        """Tasks run in the order in which they were given, one at a time."""
        names = [str(number) for number in range(50)]
        for name in names:
            self.worker.do(self.task(name))
        while len(self.events) < 2 * len(names):
            self.reactor.wait()
        ran = [name for name, here in self.events if not here]
        told = [name for name, here in self.events if here]
        self.assertEqual(ran, [f"{name} ran" for name in names])
        self.assertEqual(told, [f"{name} told" for name in names])

    def test_broken_promise(self) -> None:
        """A task that raises is logged, and the thread goes on."""

        def broken() -> Callable[[], object]:
            raise ZeroDivisionError

        self.worker.do(broken)
        self.worker.do(self.task("a"))
        self.reactor.wait()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.events), 2)

    def test_stop(self) -> None:
        """A thread that is stopped finishes what it was given, and ends."""
        self.worker.do(self.task("a"))
        self.worker.stop()
        self.worker._thread.join(10.0)
        self.assertFalse(self.worker._thread.is_alive())
        self.reactor.turn()
        self.assertEqual(len(self.events), 2)
