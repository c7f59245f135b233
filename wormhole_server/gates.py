"""
The gates of one process: what the settings say of who may connect, made into limits and trust.

Owns that translation, also when settings change while the server runs.
"""

from __future__ import annotations

from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTime
from twisted.logger import Logger

from wormhole_server import descriptors
from wormhole_server.admission import Admissions, ConnectionLimits, Entrance, Refusal
from wormhole_server.gate import Gate
from wormhole_server.metrics_connections import ConnectionMetrics
from wormhole_server.proxies.trust import Trust
from wormhole_server.settings import Settings

_log = Logger()


class Gates:
    """
    All of them, with one count of who is in.

    :param available: how many file descriptors the process may have; None: any number.
    """

    def __init__(
        self,
        settings: Settings,
        clock: IReactorTime,
        metrics: ConnectionMetrics,
        available: int | None,
    ) -> None:
        self._clock = clock
        self._available = available
        self._header_seconds = settings.proxy_header_timeout
        self._trust = Trust(settings.trusted_proxy)
        self._gates: list[Gate] = []
        self._admissions = Admissions(self._limits(settings), metrics.refused)
        metrics.watch(self._admissions)

    def before(self, factory: IProtocolFactory, entrance: Entrance) -> Gate:
        """A gate for `factory`."""
        gate = Gate(
            self._clock, factory, self._admissions, entrance, self._trust, self._header_seconds
        )
        self._gates.append(gate)
        return gate

    def mind(self, port: IListeningPort, entrance: Entrance) -> None:
        """Count what `port` has no file descriptor for."""
        descriptors.mind_accepting(
            port, self._clock, lambda: self._admissions.refused(entrance, Refusal.DESCRIPTORS)
        )

    def change(self, settings: Settings) -> None:
        """Let other settings hold, for who comes next."""
        self._admissions.limits = self._limits(settings)
        self._header_seconds = settings.proxy_header_timeout
        self._trust = Trust(settings.trusted_proxy)
        for gate in self._gates:
            gate.trust = self._trust
            gate.header_seconds = self._header_seconds

    def _limits(self, settings: Settings) -> ConnectionLimits:
        wanted = settings.connection_limit
        total = descriptors.connection_limit(wanted, self._available)
        if isinstance(wanted, int) and total is not None and total < wanted:
            _log.warn(
                "connection-limit: {wanted} are more than the {descriptors} file descriptors of the "
                "process allow; {total} it is. Give it more (LimitNOFILE=, ulimit -n), or set less.",
                wanted=wanted,
                descriptors=self._available,
                total=total,
            )
        return ConnectionLimits(total, settings.connections_per_address)
