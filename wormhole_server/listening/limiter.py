"""
The connection limiter: counts connections in all and from one address, and refuses those above a limit.
No I/O.

Owns the count. The limits come from the settings and the file descriptors (`policy`); what a refused
client receives is up to `refused_connections`.
"""

from __future__ import annotations

import enum

import attrs
from twisted.logger import Logger

from wormhole_limits.bounds import Bound, BoundObserver, contained_bounds
from wormhole_limits.ip_addresses import IP, address_block

_log = Logger()


class ListenerKind(enum.Enum):
    """What a listener serves. The values are the names of the options, and metric labels."""

    RENDEZVOUS = "rendezvous"  # the web root
    TRANSIT = "transit"  # the relay over TCP
    METRICS = "metrics"  # the metrics page


class RefusalReason(enum.Enum):
    """Why a connection is refused. The values are metric labels."""

    FULL = "full"  # the process has reached its limit
    ADDRESS = "address"  # the address has reached its limit
    DESCRIPTORS = "descriptors"  # the process had no file descriptor left
    PROXY_HEADER = (
        "proxy-header"  # a trusted proxy sent a PROXY header that is invalid or incomplete
    )


@attrs.frozen
class ConnectionLimits:
    """
    How many connections there may be; None: unlimited.

    :ivar total: in this process, rendezvous and relay together.
    :ivar per_address: from one IPv4 address, or from the /64 of an IPv6 address.
    :ivar per_loopback_address: the same, for the addresses of this machine.
    """

    total: int | None
    per_address: int | None
    per_loopback_address: int | None


class ConnectionObserver:
    """Receives what the limiter refuses. Does nothing; override what you count."""

    def connection_refused(self, listener: ListenerKind, reason: RefusalReason) -> None:
        """A connection was refused."""


class ConnectionLimiter:
    """
    Counts the connections of clients.

    :ivar limits: may change at any time. Connections that exist stay, even above new limits.
    :ivar total: how many connections there are.
    """

    def __init__(
        self, limits: ConnectionLimits, observer: ConnectionObserver, bounds: BoundObserver
    ) -> None:
        self.limits = limits
        self.total = 0
        self._observer = observer
        self._bounds = contained_bounds(bounds)
        self._by_block: dict[int, int] = {}

    def add(self, ip: IP | None, listener: ListenerKind) -> RefusalReason | None:
        """
        Count a new connection, until `remove`, unless a limit is reached.

        :param ip: the client's address; None where it is not known yet, or does not count.
        :return: None where the connection was counted.
        """
        if self.limits.total is not None and self.total >= self.limits.total:
            return self.refuse(listener, RefusalReason.FULL)
        reason = None if ip is None else self.identify(ip, listener)
        if reason is None:
            self.total += 1
        return reason

    def identify(self, ip: IP, listener: ListenerKind) -> RefusalReason | None:
        """
        Count a connection for the address that it turned out to come from.

        :return: None where it was counted; otherwise the caller has to close the connection.
        """
        key = address_block(ip)
        limits = self.limits
        limit = limits.per_loopback_address if ip.is_loopback else limits.per_address
        count = self._by_block.get(key, 0)
        if limit is not None and count >= limit:
            self._bounds.bound_met(Bound.CONNECTIONS, key)
            return self.refuse(listener, RefusalReason.ADDRESS)
        self._count(key)
        return None

    def adopt(self, ip: IP | None) -> None:
        """Count a connection that another process has accepted, whatever the limits are."""
        self.total += 1
        if ip is not None:
            self._count(address_block(ip))

    def remove(self, ip: IP | None) -> None:
        """
        Forget a connection that was counted and is closed.

        :param ip: the address that it was counted for.
        """
        self.total -= 1
        if ip is None:
            return
        key = address_block(ip)
        count = self._by_block[key] - 1
        if count:
            self._by_block[key] = count
        else:
            del self._by_block[key]

    def _count(self, key: int) -> None:
        self._by_block[key] = self._by_block.get(key, 0) + 1

    def refuse(self, listener: ListenerKind, reason: RefusalReason) -> RefusalReason:
        """Tell the observer of a refusal, and contain what it raises; returns the refusal's reason."""
        try:
            self._observer.connection_refused(listener, reason)
        except Exception:
            _log.failure(
                "An observer of refused connections raised an exception; one is not counted"
            )
        return reason
