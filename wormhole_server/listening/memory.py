"""
The memory of connections: measured at intervals, and bounded by dropping those that hold most.

Owns when that is done and what is measured: everything that a transport has not sent, and what its protocol
says that it holds. To keep count of every write would cost more, and so would a look at every connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime

from wormhole_limits.bounds import BoundObserver
from wormhole_limits.ip_addresses import IP, address_block
from wormhole_limits.memory import Holding, MemoryAccount, MemoryLimits
from wormhole_twisted.timer import RepeatingTimer

_CHECK_SECONDS: Final = 0.5
"""All clients together make the server hold some ten MiB in that time; then it has no time for more."""


class HoldingConnection(Protocol):
    """
    A connection that has been accepted, and is not lost yet.

    :ivar ip: the address that it is counted for; None as long as it is counted for none.
    """

    ip: IP | None

    def holding(self) -> Holding | None:
        """What it holds; None: nothing."""

    def abort(self) -> None:
        """Close it at once."""


class ConnectionMemory(RepeatingTimer):
    """
    Drops the connections that hold too much, or a message that is not finished.

    :param connections: returns all that may hold anything.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connections: Callable[[], Iterable[HoldingConnection]],
        limits: MemoryLimits,
        bounds: BoundObserver,
    ) -> None:
        super().__init__(clock, _CHECK_SECONDS, self._check)
        self._connections = connections
        self._account: MemoryAccount[HoldingConnection] = MemoryAccount(limits)
        self._bounds = bounds

    def change(self, limits: MemoryLimits) -> None:
        """Use other limits from the next check on."""
        self._account.limits = limits

    def _check(self) -> None:
        holdings = {
            connection: holding
            for connection in self._connections()
            if (holding := connection.holding()) is not None
        }
        for connection, bound in self._account.settle(holdings, self._clock.seconds()):
            connection.abort()
            self._bounds.bound_met(
                bound, 0 if connection.ip is None else address_block(connection.ip)
            )
