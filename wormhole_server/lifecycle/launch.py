"""
The launch: a service starts, and the process exits with 0 after serving or with 1 after a failed start.

Owns what happens between the service and the program around it: `wormhole-server run`, twistd or twist.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final

from twisted.application.service import MultiService
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger
from twisted.python.failure import Failure

from wormhole_server.errors import StartError, StartStoppedError
from wormhole_twisted.sequence import SequentialService

_log = Logger()

# malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
_LONG_BLOCK_BYTES: Final = 512 * 1024
_TRIM_BYTES: Final = 1024 * 1024


def run(service: SequentialService, reactor: IReactorCore, say: Callable[[str], None]) -> int:
    """
    Serve until the reactor is stopped.

    :param say: called with the message of a start that failed.
    :return: the exit status.
    """
    status = 0

    def failed(failure: Failure) -> None:
        nonlocal status
        # Whoever stops a start has not been failed by it.
        status = 0 if failure.check(StartStoppedError) else 1
        if failure.check(StartError):
            say(failure.getErrorMessage())
        else:
            _log.failure("The server could not be started.", failure)
        _stop(reactor)

    service.privilegedStartService()  # type: ignore[no-untyped-call]
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    service.started.addErrback(failed)
    reactor.run()
    return status


class Launched(MultiService):
    """
    The service for twistd and twist, which know of no start that fails, and always exit with 0.

    A failure before the reactor runs, and so before twistd daemonizes, is raised; a later one stops the
    reactor.

    :param exit_with: called with the exit status of the process after a failed start.
    """

    def __init__(
        self,
        service: SequentialService,
        reactor: IReactorCore,
        exit_with: Callable[[int], None],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._exit_with = exit_with
        self._starting = True
        self._failure: Failure | None = None
        service.setServiceParent(self)  # type: ignore[no-untyped-call]
        self._service = service

    def startService(self) -> None:
        """:raises StartError: the start has failed already."""
        super().startService()  # type: ignore[no-untyped-call]
        self._service.started.addErrback(self._failed)
        self._starting = False
        if self._failure is not None:
            self._log_failure(self._failure)
            self.stopService()  # type: ignore[no-untyped-call]
            self._failure.raiseException()

    def _failed(self, failure: Failure) -> None:
        if self._starting:
            self._failure = failure
            return
        self._log_failure(failure)
        if failure.check(StartStoppedError) is None:
            self._exit_with(1)
        _stop(self._reactor)

    def _log_failure(self, failure: Failure) -> None:
        # A daemon has no stderr.
        if failure.check(StartError):
            _log.critical("{error}", error=failure.getErrorMessage())
        else:
            _log.failure("The server could not be started.", failure)


def exit_with(status: int) -> None:
    """
    Let the process exit with `status` when it ends by itself.

    twistd and twist ignore any status, so an exit handler sets it. It runs first, and handlers that were
    registered before it do not run: Python's own, which have nothing to do here.
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    atexit.register(leave)


def report_start_errors(say: Callable[[str], None]) -> None:
    """Let a `StartError` that is not caught end the program with its message, without a traceback."""
    before = sys.excepthook

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, StartError):
            say(str(error))
        else:
            before(kind, error, traceback)

    sys.excepthook = hook


def tune_interpreter() -> None:
    """Tune Python for objects that live long, long messages, and threads that wait for the disk."""
    # Objects that exist now live as long as the process: no collection has to look at them again. To collect
    # first would take a tenth of a second, and find next to nothing.
    gc.freeze()
    # An idle client is a few dozen objects without cycles, and looking at all of them at each collection is
    # expensive: they are looked at once or twice while they are young, and nearly never again. Of young ones
    # so few at once that it takes a millisecond or two, even where nearly all are garbage.
    gc.set_threshold(2_000, 10, 1_000)
    # After a commit its thread needs the interpreter for a moment; by default a busy reactor would let it
    # wait for 5 ms, as long as a slow disk takes.
    sys.setswitchinterval(0.001)
    # Messages that grow side by side leave holes in glibc's heap, which it keeps: it raises the first
    # threshold by itself, up to 32 MiB. A block above it goes back to the system as soon as it is freed; but
    # to get one is ten times as expensive as to copy what goes into it. The longest message of a client, and
    # what a socket is read into, are below. The second one is for what is free at the heap's end.
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have none
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, _LONG_BLOCK_BYTES)
        set_option(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def _stop(reactor: IReactorCore) -> None:
    """Stop the reactor as soon as it runs, unless it has been stopped already."""

    def stop() -> None:
        # A signal may have been first.
        with contextlib.suppress(ReactorNotRunning):
            reactor.stop()

    reactor.callWhenRunning(stop)
