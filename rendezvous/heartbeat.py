"""
The heartbeat: WebSocket pings for all connections from one timer.

Owns which connection is pinged when, and when a silent one is dropped. One timer per connection would cost
more than everything else that an idle connection costs. Connections are spread over as many slots as a round
has steps; each step serves one slot. A slot takes no more than its share, however many connect at once.
"""

from __future__ import annotations

from contextlib import suppress
from math import ceil
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.observer import DropReason, RendezvousObserver
from wormhole_twisted.timer import RepeatingTimer

_log = Logger()

# Steps in a round: each step pings so few connections that none is delayed.
_STEPS = 60
# So many pings take a fraction of a millisecond; a slot may have them whatever its share is.
_SLOT_LEAST = 50


class PingedConnection(Protocol):
    """A connection that the heartbeat pings."""

    heard: bool
    """Set by the connection whenever bytes arrive."""

    silent_rounds: int
    """How many pings in a row were not answered; owned by the heartbeat."""

    slot: int
    """Owned by the heartbeat."""

    def ping(self) -> None:
        """Send a ping."""

    def give_up(self, reason: DropReason) -> None:
        """Drop the connection."""


class Heartbeat(RepeatingTimer):
    """
    Pings every connection, and drops one that stays silent. A service.

    :param clock: runs the timer.
    :param interval_seconds: each connection is pinged once in this time; 0 turns pings off.
    :param timeout_seconds: a connection is dropped that has been silent for this long after a ping,
        rounded up to whole intervals.
    """

    def __init__(
        self,
        clock: IReactorTime,
        observer: RendezvousObserver,
        interval_seconds: float,
        timeout_seconds: float,
    ) -> None:
        super().__init__(clock, interval_seconds / _STEPS, self._step, observer.internal_error)
        self._observer = observer
        self._pace = (interval_seconds, timeout_seconds)
        self._slots: list[set[PingedConnection]] = [set() for _ in range(_STEPS)]
        self._count = 0
        self._current = 0

    def change(self, interval_seconds: float, timeout_seconds: float) -> None:
        """Use another interval and timeout from now on; all connections have their full time again."""
        if (interval_seconds, timeout_seconds) == self._pace:
            return
        self._pace = (interval_seconds, timeout_seconds)
        for slot in self._slots:
            for connection in slot:
                connection.heard = True
        self.change_interval(interval_seconds / _STEPS)

    def add(self, connection: PingedConnection) -> None:
        """Ping a connection from now on, first after one interval; sooner if many are due then."""
        connection.slot = self._find_slot()
        connection.heard = True
        self._slots[connection.slot].add(connection)
        self._count += 1

    def remove(self, connection: PingedConnection) -> None:
        """Stop pinging a connection."""
        slot = self._slots[connection.slot]
        if connection in slot:
            slot.remove(connection)
            self._count -= 1

    def _find_slot(self) -> int:
        """Find the slot that is served last among those that have less than their share."""
        share = max(_SLOT_LEAST, self._count // _STEPS + 1)
        slot = self._current
        while len(self._slots[slot]) >= share:
            slot = (slot - 1) % _STEPS
        return slot

    def _step(self) -> None:
        self._current = (self._current + 1) % _STEPS
        interval_seconds, timeout_seconds = self._pace
        rounds = ceil(timeout_seconds / interval_seconds)
        for connection in tuple(self._slots[self._current]):
            try:
                self._serve(connection, rounds)
            except Exception:  # ends this connection; the others are pinged as ever
                self._observer.internal_error()
                _log.failure("A ping failed; the connection is dropped")
                self.remove(connection)
                with suppress(Exception):
                    connection.give_up(DropReason.INTERNAL)

    def _serve(self, connection: PingedConnection, rounds: int) -> None:
        if connection.heard:
            connection.heard = False
            connection.silent_rounds = 0
        else:
            connection.silent_rounds += 1
        if connection.silent_rounds >= rounds:
            connection.give_up(DropReason.SILENT)
        else:
            connection.ping()
