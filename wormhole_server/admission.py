"""
How many connections there may be: in all, and from one address. No I/O.

Owns the counting. Which descriptors the process has is `wormhole_server.descriptors`'s; what somebody
is told who cannot be let in is `wormhole_server.turned_away`'s.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs

from wormhole_server.proxies.places import IP, neighbourhood


class Entrance(enum.Enum):
    """Where a connection came in. The values are metric labels."""

    RENDEZVOUS = "rendezvous"  # the web root
    TRANSIT = "transit"  # the relay over TCP
    METRICS = "metrics"  # the metrics page


class Refusal(enum.Enum):
    """Why a connection is not let in. The values are metric labels."""

    FULL = "full"  # there are as many connections as there may be
    ADDRESS = "address"  # its address has as many as one may have
    DESCRIPTORS = "descriptors"  # the process had no file descriptor left for it
    PROXY_HEADER = (
        "proxy-header"  # a trusted proxy began a PROXY header and did not end it, or not well
    )


@attrs.frozen
class ConnectionLimits:
    """
    How many connections; None: any number.

    :ivar total: in this process, rendezvous and relay together.
    :ivar per_address: from an IPv4 address, or from the /64 of an IPv6 address.
    """

    total: int | None = None
    per_address: int | None = None


class Admissions:
    """
    Who is in.

    Limits may change at any time. Whoever is in stays, though there be more than the new ones allow.

    :ivar limits: what holds for who comes next.
    :param refused: told of each that is not let in.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        refused: Callable[[Entrance, Refusal], None] = lambda *_: None,
    ) -> None:
        self.limits = limits
        self.total = 0
        self.refused = refused
        self._by_neighbourhood: dict[int, int] = {}

    def enter(self, ip: IP | None, entrance: Entrance) -> Refusal | None:
        """
        Somebody has come; None lets him in, until `leave`.

        :param ip: None where nobody knows yet, or nobody counts.
        """
        if self.limits.total is not None and self.total >= self.limits.total:
            self.refused(entrance, Refusal.FULL)
            return Refusal.FULL
        refusal = None if ip is None else self.identify(ip, entrance)
        if refusal is None:
            self.total += 1
        return refusal

    def identify(self, ip: IP, entrance: Entrance) -> Refusal | None:
        """It turns out that somebody who is in comes from `ip`; None lets him stay."""
        key = neighbourhood(ip)
        most = self.limits.per_address
        here = self._by_neighbourhood.get(key, 0)
        if most is not None and here >= most:
            self.refused(entrance, Refusal.ADDRESS)
            return Refusal.ADDRESS
        self._by_neighbourhood[key] = here + 1
        return None

    def leave(self, ip: IP | None) -> None:
        """Somebody who was let in, and was found to come from `ip`, has gone."""
        self.total -= 1
        if ip is None:
            return
        key = neighbourhood(ip)
        here = self._by_neighbourhood[key] - 1
        if here:
            self._by_neighbourhood[key] = here
        else:
            del self._by_neighbourhood[key]
