"""
Starting the service, and leaving with a status that says how it went: 0 after serving, 1 after a start
that failed.

Owns what happens between a service and the program around it: `wormhole-server run`, twistd or twist.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger
from twisted.python.failure import Failure

from wormhole_server.errors import StartError

_log = Logger()


class Starting(Protocol):
    """
    A service whose start takes its time.

    :ivar started: fires when everything listens; fails with `StartError` where that cannot be.
    """

    started: Deferred[None]


def run(service: Any, reactor: IReactorCore, say: Callable[[str], None]) -> int:
    """
    Serve until somebody stops the reactor.

    :param service: an `IService` that is `Starting` as well.
    :param say: takes the line about a start that failed.
    :return: the exit status.
    """
    status = 0

    def failed(failure: Failure) -> None:
        nonlocal status
        status = 1
        if failure.check(StartError):
            say(failure.getErrorMessage())
        else:
            _log.failure("The server could not be started.", failure)
        _stop(reactor)

    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    service.started.addErrback(failed)
    reactor.run()
    return status


class Launched(MultiService):
    """
    The service as twistd and twist take it: they know of no start that fails, and always exit with 0.

    What fails before the reactor runs, and so before twistd turns into a daemon for good, is raised;
    what fails later stops the reactor.
    """

    def __init__(
        self, service: Any, reactor: IReactorCore, exit_with: Callable[[int], None]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._exit_with = exit_with
        self._starting = True
        self._failure: Failure | None = None
        IService(service).setServiceParent(self)
        self._service = service

    def startService(self) -> None:
        """:raises StartError: the start has failed already."""
        super().startService()  # type: ignore[no-untyped-call]
        self._service.started.addErrback(self._failed)
        self._starting = False
        if self._failure is not None:
            self.stopService()  # type: ignore[no-untyped-call]
            self._failure.raiseException()

    def _failed(self, failure: Failure) -> None:
        if self._starting:
            self._failure = failure
            return
        if failure.check(StartError):
            _log.critical("{error}", error=failure.getErrorMessage())
        else:
            _log.failure("The server could not be started.", failure)
        self._exit_with(1)
        _stop(self._reactor)


def exit_with(status: int) -> None:
    """
    Let the process exit with `status` when it comes to its end by itself.

    twistd and twist do not hand on a status, so the last word is had here.
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    atexit.register(leave)


def tell_in_one_line(say: Callable[[str], None]) -> None:
    """Let a `StartError` that nobody catches end the program with its line, not with a traceback."""
    before = sys.excepthook

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, StartError):
            say(str(error))
        else:
            before(kind, error, traceback)

    sys.excepthook = hook


def _stop(reactor: IReactorCore) -> None:
    """Stop the reactor as soon as it runs, unless somebody else does."""

    def stop() -> None:
        # A signal may have come first.
        with contextlib.suppress(ReactorNotRunning):
            reactor.stop()

    reactor.callWhenRunning(stop)
