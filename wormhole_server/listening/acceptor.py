"""
The acceptor: few connections of a port in a turn of the reactor, and in line with what else is to be done.

Owns when a port accepts. Whose connection is the next one is known only when it has been accepted, which
costs as much as a command. Twisted would accept as many in a turn as clients make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IListeningPort

from wormhole_limits.scheduler import HANDSHAKE_UNITS, NOBODY, Scheduler
from wormhole_twisted.internals import limit_accepts

_AT_ONCE: Final = 2
"""Connections: half of what is opened in a turn, so that what they send is read meanwhile."""
_UNITS: Final = HANDSHAKE_UNITS // 2


def accept_in_turn(scheduler: Scheduler, port: IListeningPort) -> None:
    """Let a port accept connections when it is its turn. Ports that are not Twisted's stay as they are."""
    acceptor = _Acceptor(scheduler, port)
    acceptor.accept = limit_accepts(port, _AT_ONCE, acceptor.ready)


class _Acceptor:
    """A port that accepts when it is its turn."""

    def __init__(self, scheduler: Scheduler, port: Any) -> None:
        self.accept: Callable[[], int] = lambda: 0
        self._scheduler = scheduler
        self._port = port
        self._task = scheduler.new_task(NOBODY, self._serve, opening=True)
        self._paused = False

    def ready(self) -> None:
        """Connections wait to be accepted."""
        self._scheduler.arrived(self._task)
        if self._task.waiting:
            self._port.stopReading()
            self._paused = True

    def _serve(self, _: int) -> bool:
        if self._port.connected and not self._port.disconnecting:
            self._scheduler.spend(self._task, _UNITS * self.accept())
            if self._paused:
                self._paused = False
                self._port.startReading()
        return False
