"""A reactor in memory, for tests of services, and the interpreter as it was before them."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

# A thread that has requested no call by then never will.
_THREAD_SECONDS = 20.0


def restore_interpreter(test: SynchronousTestCase) -> None:
    """Undo at the end of a test what `tune_interpreter` does."""
    test.addCleanup(gc.unfreeze)
    test.addCleanup(gc.set_threshold, *gc.get_threshold())
    test.addCleanup(sys.setswitchinterval, sys.getswitchinterval())


class FakePort:
    """A port that is closed when the test says so."""

    def __init__(self, number: int, interface: str) -> None:
        self.number = number
        self.interface = interface
        self.closing: Deferred[None] | None = None
        self._at_once = False

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", self.interface, self.number)

    def stopListening(self) -> Deferred[None]:  # noqa: N802 - IListeningPort's
        self.closing = succeed(None) if self._at_once else Deferred()
        return self.closing

    def close_at_once(self) -> None:
        """Let it be closed as soon as it is asked to."""
        self._at_once = True
        if self.closing is not None and not self.closing.called:
            self.closing.callback(None)


class FakeReactor(Clock):
    """
    A reactor that stands still, and binds ports in memory.

    :ivar in_use: the number of a port that cannot be bound.
    :ivar ipv6_error: the error number of each attempt to bind an IPv6 address; 0: none.
    """

    in_use = 0
    ipv6_error = 0

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._when_running: list[Callable[[], object]] = []
        self.ports: list[FakePort] = []
        self.factories: list[Any] = []

    def getWriters(self) -> list[Any]:  # noqa: N802
        """See `IReactorFDSet`."""
        return []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:  # noqa: N802
        """See `IReactorTCP`."""
        if port == self.in_use:
            why = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            raise CannotListenError("", port, why)
        if self.ipv6_error and ":" in interface:
            raise CannotListenError(
                interface, port, OSError(self.ipv6_error, os.strerror(self.ipv6_error))
            )
        self.ports.append(FakePort(port, interface))
        self.factories.append(factory)
        return self.ports[-1]

    def callFromThread(self, callable: Any, *args: Any, **kwargs: Any) -> None:  # noqa: A002
        """See `IReactorFromThreads`."""
        self._calls.put(partial(callable, *args, **kwargs))

    def callWhenRunning(self, callable: Any, *args: Any, **kwargs: Any) -> None:  # noqa: A002, N802
        """See `IReactorCore`."""
        self._when_running.append(partial(callable, *args, **kwargs))

    def run(self) -> None:
        """The reactor runs from now on."""
        for call in self._when_running:
            call()

    def turn(self) -> None:
        """Make the calls that are due, and those that signal handlers have requested."""
        self.advance(0)
        while not self._calls.empty():
            self._calls.get()()

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Turn until a condition holds, and wait for threads meanwhile."""
        self.turn()
        while not condition():
            self._calls.get(timeout=_THREAD_SECONDS)()
            self.turn()

    def bound(self) -> list[int]:
        """The numbers of the ports that were bound."""
        return [port.number for port in self.ports]

    def closing(self) -> list[int]:
        """The numbers of the ports that were closed."""
        return [port.number for port in self.ports if port.closing is not None]
