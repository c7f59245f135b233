"""
One thread that does one thing after another, for what would hold up the reactor.

Owns the thread. What it runs must touch nothing that the reactor's thread uses at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

_log = Logger()


class Worker:
    """Runs tasks in the order in which they were given, off the reactor's thread."""

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._tasks: SimpleQueue[Callable[[], Callable[[], object]] | None] = SimpleQueue()
        # A daemon: a database that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, task: Callable[[], Callable[[], object]]) -> None:
        """
        Run `task` in the thread, then what it returns on the reactor's.

        :param task: must not raise; what comes of it is in what it returns.
        """
        self._tasks.put(task)

    def stop(self) -> None:
        """End the thread after what it has been given; does not wait for it."""
        self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._reactor.callFromThread(task())
            except Exception:
                _log.failure("a task broke its promise never to raise")
