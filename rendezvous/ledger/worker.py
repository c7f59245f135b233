"""
The worker: one thread that runs tasks one after the other, for what would block the reactor.

Owns the thread. A task must not touch what the reactor's thread uses at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from twisted.internet.interfaces import IReactorFromThreads

Task = Callable[[], Callable[[], object]]
"""Runs in the thread; what it returns is called on the reactor's thread."""


class Worker:
    """
    Runs tasks in the order in which they were given.

    :param name: the thread's.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._tasks: SimpleQueue[tuple[Task, Callable[[Exception], object]] | None] = SimpleQueue()
        # A daemon: a database that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, task: Task, failed: Callable[[Exception], object]) -> None:
        """
        Run `task` in the thread, then what it returns on the reactor's thread.

        :param failed: called with the exception on the reactor's thread instead, if `task` raises one.
        """
        self._tasks.put((task, failed))

    def stop(self) -> None:
        """End the thread after the tasks that it has been given, without waiting for it."""
        self._tasks.put(None)

    def _work(self) -> None:
        while (next_ := self._tasks.get()) is not None:
            task, failed = next_
            try:
                call = task()
            except BaseException as error:  # the thread must survive; the caller handles the error
                self._reactor.callFromThread(failed, _as_exception(error))
            else:
                self._reactor.callFromThread(call)


def _as_exception(error: BaseException) -> Exception:
    """Return what may end a task, but not what the task belongs to."""
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
