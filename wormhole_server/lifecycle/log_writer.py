"""
The log writer: writes lines to a stream from a thread of its own.

Owns the queue between the reactor and that thread. A pipe that nobody reads, or a terminal that is stopped,
blocks a write: that of the thread, and never the reactor. What does not fit into the queue is lost, and
counted. The stream cannot be made non-blocking, as that would hold for every program that shares it.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

_log = Logger()

# Characters: some thousand lines, and some hundred tracebacks.
_MOST_QUEUED = 1024 * 1024


class LogWriter:
    """
    Takes text as a stream does, and returns at once.

    :param stream: its file descriptor is written to; one without a descriptor is written to itself.
    :param reactor: where the end of a loss is logged.
    """

    def __init__(self, stream: IO[str], reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._changed = threading.Condition()
        self._queue: deque[str] = deque()
        self._queued = 0
        self._writing = False
        self._lost = 0
        self._count_lost: Callable[[int], None] = _ignore
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def count_lost_with(self, count: Callable[[int], None]) -> None:
        """Call `count` with the number of texts whenever some are lost, in any thread."""
        self._count_lost = count

    def write(self, text: str) -> None:
        """Write `text` soon, or lose it."""
        with self._changed:
            fits = self._queued + len(text) <= _MOST_QUEUED
            if fits:
                self._queue.append(text)
                self._queued += len(text)
                self._changed.notify_all()
        if not fits:
            self._lose()

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    def close(self, seconds: float) -> None:
        """Wait until everything is written, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._queue or self._writing), seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._queue)
                text = self._queue.popleft()
                self._writing = True
            try:
                self._write(text)
            except (
                OSError,
                ValueError,
            ):  # nobody reads any more, the disk is full, the stream is closed
                self._lose()
            else:
                self._report_lost()
            with self._changed:
                self._queued -= len(text)

    def _write(self, text: str) -> None:
        if self._descriptor is None:
            self._stream.write(text)
            return
        left = memoryview(text.encode(self._encoding, "backslashreplace"))
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # another program has made it non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()

    def _lose(self) -> None:
        with self._changed:
            self._lost += 1
        self._count_lost(1)

    def _report_lost(self) -> None:
        with self._changed:
            lost, self._lost = self._lost, 0
        if lost:
            self._reactor.callFromThread(
                _log.warn, "Nothing read the log for a while: {lost} lines are lost.", lost=lost
            )


def _descriptor(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        return None


def _ignore(_: int) -> None:
    """Count nothing."""
