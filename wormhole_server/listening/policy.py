"""
The connection policy: limits, trusted proxies and timeouts for the next connection, from the settings.

Owns the translation, at the start and when the settings change.
"""

from __future__ import annotations

from twisted.logger import Logger

from wormhole_limits.bounds import BoundObserver
from wormhole_server.config.groups.listening import CONNECTIONS_PER_ADDRESS
from wormhole_server.config.kinds import Automatic
from wormhole_server.config.settings import Settings
from wormhole_server.listening.deny_list import ReloadableDenyList
from wormhole_server.listening.descriptors import connection_limit
from wormhole_server.listening.limiter import (
    ConnectionLimiter,
    ConnectionLimits,
    ConnectionObserver,
)
from wormhole_server.listening.memory import HoldingConnection
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies

_log = Logger()


class ConnectionPolicy:
    """
    What applies to the next connection; shared by all listeners, which read it for each connection.

    :param descriptors: how many file descriptors the process may have; None: unlimited.
    :ivar deny_list: whose clients are refused.
    :ivar accepted: the connections that there are.
    :ivar holding: those whose protocols have said that they hold bytes, until they are found to hold none.
    :ivar limiter: the one count of connections in the process.
    :ivar trusted_proxies: whose headers are trusted.
    :ivar header_seconds: a trusted proxy has to complete its PROXY header within this time.
    """

    def __init__(
        self,
        settings: Settings,
        descriptors: int | None,
        observer: ConnectionObserver,
        bounds: BoundObserver,
        deny_list: ReloadableDenyList,
    ) -> None:
        self.deny_list = deny_list
        self.accepted: set[HoldingConnection] = set()
        self.holding: set[HoldingConnection] = set()
        self._descriptors = descriptors
        self.limiter = ConnectionLimiter(self._limits(settings), observer, bounds)
        self.trusted_proxies = TrustedProxies(settings.trusted_proxy)
        self.header_seconds: float = settings.proxy_header_timeout

    def change(self, settings: Settings) -> None:
        """Apply other settings to the connections that come from now on."""
        self.limiter.limits = self._limits(settings)
        self.trusted_proxies = TrustedProxies(settings.trusted_proxy)
        self.header_seconds = settings.proxy_header_timeout

    def close_denied(self) -> None:
        """Close the connections of clients that are on the deny list by now."""
        for connection in tuple(self.accepted):
            if connection.ip is not None and self.deny_list.find(connection.ip) is not None:
                connection.abort()

    def _limits(self, settings: Settings) -> ConnectionLimits:
        wanted = settings.connection_limit
        total = connection_limit(wanted, self._descriptors)
        if isinstance(wanted, int) and total is not None and total < wanted:
            _log.warn(
                "connection-limit: {wanted} is more than the {descriptors} file descriptors of the "
                "process allow; the limit is {total}. Raise LimitNOFILE= or ulimit -n, or set a lower "
                "connection-limit.",
                wanted=wanted,
                descriptors=self._descriptors,
                total=total,
            )
        per_address = settings.connections_per_address
        if isinstance(per_address, Automatic):
            return ConnectionLimits(total, CONNECTIONS_PER_ADDRESS, None)
        return ConnectionLimits(total, per_address, per_address)
