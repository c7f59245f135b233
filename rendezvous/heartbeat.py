"""
WebSocket pings for all connections from one timer.

Owns who is due. A timer for each connection would cost more than everything else that an idle connection
costs. Connections are spread over as many slots as there are steps in a round; each step serves one slot.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# Steps in a round: each step pings so small a part of the connections that none is held up.
_STEPS = 60


class Beating(Protocol):
    """A connection that wants pings."""

    heard: bool
    """Set by the connection whenever bytes arrive."""

    silent_rounds: int
    """How many pings in a row went unanswered; kept by the heartbeat."""

    slot: int
    """Kept by the heartbeat."""

    def beat(self) -> None:
        """Send a ping."""

    def flatline(self) -> None:
        """Nothing has been heard for too long: drop the connection."""


class Heartbeat:
    """
    Pings every connection once in `interval_seconds`, and gives up on one that has been silent for
    `timeout_seconds` after a ping, in whole rounds.
    """

    def __init__(
        self, clock: IReactorTime, interval_seconds: float, timeout_seconds: float
    ) -> None:
        self._clock = clock
        self._step_seconds, self._rounds = _pace(interval_seconds, timeout_seconds)
        self._slots: list[set[Beating]] = [set() for _ in range(_STEPS)]
        self._step = 0
        self._running = False
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Begin; an interval of 0 turns pings off."""
        self._running = True
        if self._step_seconds:
            self._timer = self._clock.callLater(self._step_seconds, self._turn)

    def stop(self) -> None:
        """No ping is sent after this."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def change(self, interval_seconds: float, timeout_seconds: float) -> None:
        """
        Go on at another pace.

        All connections have their full time from here on: what was counted were rounds of another length.
        """
        pace = _pace(interval_seconds, timeout_seconds)
        if pace == (self._step_seconds, self._rounds):
            return
        self._step_seconds, self._rounds = pace
        for slot in self._slots:
            for connection in slot:
                connection.heard = True
                connection.silent_rounds = 0
        if self._running:
            self.stop()
            self.start()

    def add(self, connection: Beating) -> None:
        """Ping it from now on, first after one interval."""
        connection.slot = self._step
        connection.heard = True
        connection.silent_rounds = 0
        self._slots[self._step].add(connection)

    def remove(self, connection: Beating) -> None:
        """Ping it no longer."""
        self._slots[connection.slot].discard(connection)

    def _turn(self) -> None:
        self._timer = self._clock.callLater(self._step_seconds, self._turn)
        self._step = (self._step + 1) % _STEPS
        for connection in tuple(self._slots[self._step]):
            if connection.heard:
                connection.heard = False
                connection.silent_rounds = 0
            else:
                connection.silent_rounds += 1
            if connection.silent_rounds >= self._rounds:
                connection.flatline()
            else:
                connection.beat()


def _pace(interval_seconds: float, timeout_seconds: float) -> tuple[float, int]:
    """Seconds from step to step, and the rounds that a connection may be silent."""
    if not interval_seconds:
        return 0.0, 0
    return interval_seconds / _STEPS, max(1, round(timeout_seconds / interval_seconds))
