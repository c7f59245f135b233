"""
The signal handlers: one calls what it is told to; the first SIGTERM or SIGINT stops the reactor, and another
one hurries.

Owns these handlers of the process, and restores what was there before.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IReactorFromThreads

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], Any]


class SignalHandler(Service):
    """
    Calls a function in the reactor at each signal of one kind, while the service runs.

    The handler that was there before is called first: twistd or the operator's own wrapper may reopen its
    log at SIGHUP. Does nothing on systems without that signal.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str, call: Callable[[], object]) -> None:
        self._reactor = reactor
        self._call = call
        self._number: int | None = getattr(signal, name, None)
        self._before: Any = None
        self._ours: _Handler = self._received

    def startService(self) -> None:
        """Install the handler."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._number is not None:
            self._before = signal.getsignal(self._number)
            signal.signal(self._number, self._ours)

    def stopService(self) -> None:
        """Restore the handler from before, unless another one was installed meanwhile."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._number is not None and signal.getsignal(self._number) is self._ours:
            signal.signal(self._number, signal.SIG_DFL if self._before is None else self._before)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if callable(self._before):
            self._before(number, frame)
        # A signal interrupts anything at any point: nothing but this is safe here.
        self._reactor.callFromThread(self._call)


class Hurriable(Protocol):
    """A service that can stop faster."""

    @property
    def running(self) -> int: ...
    def hurry(self) -> None:
        """Wait for no client any more. Called only after the service began to stop."""


def handle_stop_signals(
    reactor: ReactorBase, service: Hurriable, signals: Sequence[signal.Signals] = _STOP_SIGNALS
) -> None:
    """Install handlers in front of the reactor's own, as soon as the reactor runs."""
    reactor.callWhenRunning(_StopHandlers(reactor, service).install, signals)


class _StopHandlers:
    """Distinguishes the first signal from further ones."""

    def __init__(self, reactor: ReactorBase, service: Hurriable) -> None:
        self._reactor = reactor
        self._service = service
        self._before: dict[int, _Handler] = {}
        self._stopped = False

    def install(self, signals: Sequence[signal.Signals]) -> None:
        """Leave ignored signals ignored: shells ignore SIGINT for programs in the background."""
        for each in signals:
            before = signal.getsignal(each)
            if callable(before):
                self._before[each] = before
                signal.signal(each, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        # Stopping a reactor that is stopping already would raise an exception.
        if self._stopped or not self._service.running:
            self._reactor.callFromThread(self._service.hurry)
        else:
            self._stopped = True
            self._before[number](number, frame)
