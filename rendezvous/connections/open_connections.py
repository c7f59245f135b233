"""
The open connections of one server: all that are flushed, told to go and closed together.

Owns the set of them and when each has its turn. Knows nothing of frames.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import ceil
from typing import Final, Protocol

from twisted.internet.defer import Deferred

from wormhole_limits.scheduler import Scheduler

_TURN_SECONDS: Final = 0.05
"""Between two turns in which clients are told to go, some in each; a timer for each would be no better."""


class OpenConnection(Protocol):
    """A connection whose opening handshake is complete."""

    def flush(self) -> None:
        """Send what it holds back until the end of a turn of the reactor."""

    def go_away(self) -> None:
        """Tell the client that the server is stopping."""

    def abort(self) -> None:
        """Close at once."""


class OpenConnections:
    """
    The connections of one server.

    :param failed: counts and logs an exception of one connection's; called in `except`.
    :ivar leaving: whether the server is stopping.
    """

    def __init__(self, scheduler: Scheduler, failed: Callable[[], None]) -> None:
        self.leaving = False
        self._scheduler = scheduler
        self._failed = failed
        self._connections: set[OpenConnection] = set()
        self._to_flush: list[OpenConnection] = []
        self._when_empty: list[Deferred[None]] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._connections)

    def add(self, connection: OpenConnection) -> None:
        """Add a connection, and tell it to go if the server is stopping."""
        self._connections.add(connection)
        if self.leaving:
            connection.go_away()

    def remove(self, connection: OpenConnection) -> None:
        """Remove a connection that is lost."""
        self._connections.discard(connection)
        self._fire_if_empty()

    def when_empty(self) -> Deferred[None]:
        """Return a Deferred that fires when there is none."""
        empty: Deferred[None] = Deferred()
        self._when_empty.append(empty)
        self._fire_if_empty()
        return empty

    def flush_later(self, connection: OpenConnection) -> None:
        """Have a connection flushed in the next turn of the reactor, with all others of this one."""
        if not self._to_flush:
            self._scheduler.next_flush(self._flush)
        self._to_flush.append(connection)

    def go_away(self, spread_seconds: float) -> None:
        """
        Tell every client that the server is stopping, and every one that still connects.

        :param spread_seconds: how long to take for that, so that they do not all reconnect at once.
        """
        self.leaving = True
        connections = list(self._connections)
        count = max(len(connections), 1)
        pause = max(spread_seconds / count, _TURN_SECONDS)
        number = ceil(count * pause / spread_seconds) if pause < spread_seconds else count
        self._go_away_in_turns(connections, pause, number)

    def abort_all(self) -> None:
        """Close every connection at once."""
        self.leaving = True
        for connection in tuple(self._connections):
            self._contain(connection, connection.abort)

    def _flush(self) -> None:
        connections, self._to_flush = self._to_flush, []
        for connection in connections:
            self._contain(connection, connection.flush)

    def _go_away_in_turns(
        self, remaining: list[OpenConnection], pause_seconds: float, number: int
    ) -> None:
        for connection in remaining[:number]:
            if connection in self._connections:
                self._contain(connection, connection.go_away)
        rest = remaining[number:]
        if rest:
            self._scheduler.clock.callLater(
                pause_seconds, self._go_away_in_turns, rest, pause_seconds, number
            )

    def _contain(self, connection: OpenConnection, call: Callable[[], None]) -> None:
        """Make an exception end one connection, and keep nothing from the others."""
        try:
            call()
        except Exception:  # one connection's, whatever it is
            self._failed()
            with suppress(Exception):
                connection.abort()

    def _fire_if_empty(self) -> None:
        if not self._connections:
            waiting, self._when_empty = self._when_empty, []
            for each in waiting:
                each.callback(None)
