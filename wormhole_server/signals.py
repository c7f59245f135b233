"""
SIGTERM and SIGINT: the first stops the reactor, as ever; another lets the server leave at once.

Owns the two handlers. A composition root: it sets the process's.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

from twisted.internet.base import ReactorBase

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stoppable(Protocol):
    """
    What is to leave.

    :ivar stopping: whether it has begun to stop, for whatever reason.
    """

    @property
    def stopping(self) -> bool: ...
    def hurry(self) -> None: ...


def take_over(
    reactor: ReactorBase, service: Stoppable, signals: Sequence[signal.Signals] = _SIGNALS
) -> None:
    """Put handlers before those that the reactor sets when it starts, as soon as it has."""
    reactor.callWhenRunning(_Handlers(reactor, service).install, signals)


class _Handlers:
    """Tells the first signal from another."""

    def __init__(self, reactor: ReactorBase, service: Stoppable) -> None:
        self._reactor = reactor
        self._service = service
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._stopped = False

    def install(self, signals: Sequence[signal.Signals]) -> None:
        """One that is ignored stays so: shells ignore SIGINT for what runs in the background."""
        for each in signals:
            before = signal.getsignal(each)
            if callable(before):
                self._before[each] = before
                signal.signal(each, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        # To stop a reactor that is being stopped already would be an error.
        if self._stopped or self._service.stopping:
            self._reactor.callFromThread(self._service.hurry)
        else:
            self._stopped = True
            self._before[number](number, frame)
