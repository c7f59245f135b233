"""
Where the server listens: endpoints become ports, and what they are is told.

Owns the ports, from their binding to their end, and what stands before each protocol: the gate, and TLS.
Knows nothing of what is served on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from wormhole_server.admission import Entrance
from wormhole_server.endpoints import Endpoint, endpoint_kind, what_to_do, why_not, with_backlog
from wormhole_server.errors import StartError
from wormhole_server.gates import Gates
from wormhole_server.reach import Listener
from wormhole_server.tls.listening import Tls

_log = Logger()


class Ports:
    """
    All ports of a server.

    :ivar listening: by the name of the entrance, what listens there, with the ports as they really are.
    """

    def __init__(self, reactor: ReactorBase, gates: Gates, tls: Tls) -> None:
        self.listening: dict[str, Sequence[Listener]] = {}
        self._reactor = reactor
        self._gates = gates
        self._tls = tls
        self._ports: dict[Entrance, list[IListeningPort]] = {each: [] for each in Entrance}

    async def open(
        self, entrance: Entrance, endpoints: Sequence[Endpoint], factory: IProtocolFactory
    ) -> None:
        """
        Listen on all `endpoints` of an entrance.

        :raises StartError: on one of them nobody can.
        """
        self.listening[entrance.value] = [
            await self._listen(entrance, endpoint, factory) for endpoint in endpoints
        ]

    def close(self, entrance: Entrance) -> Deferred[Any]:
        """Listen there no more."""
        ports, self._ports[entrance] = self._ports[entrance], []
        return DeferredList([_stop_listening(port) for port in ports])

    async def _listen(
        self, entrance: Entrance, endpoint: Endpoint, factory: IProtocolFactory
    ) -> Listener:
        name = entrance.value
        beneath, factory = self._tls.behind(name, endpoint, factory)
        if entrance is not Entrance.METRICS:
            # Before TLS: a proxy's header comes first, and whom there is no room for costs no handshake.
            factory = self._gates.before(factory, entrance)
        try:
            port = await serverFromString(self._reactor, with_backlog(beneath)).listen(factory)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or error.socketError
            raise StartError(
                f"{name}: cannot listen on {endpoint}: {why}; {what_to_do(name, error.socketError)}"
            ) from error
        except Exception as error:  # an endpoint's plugin may raise whatever it likes
            raise StartError(
                f"{name}: cannot listen on {endpoint}: {why_not(endpoint, error)}"
            ) from error
        self._gates.mind(port, entrance)
        self._ports[entrance].append(port)
        return Listener(endpoint, port.getHost())


def tell(line: str | None, listening: Mapping[str, Sequence[Listener]]) -> None:
    """
    Tell the operator, in the log, that the server is ready, and where.

    :param line: what to type on the other machine.
    """
    if line is not None:
        _log.info("Ready. On the other machine: {line}", line=line)
    else:
        _log.info("Ready.")
    for listener in listening[Entrance.METRICS.value]:
        host = getattr(listener.address, "host", None)
        if host is not None:
            _log.info(
                "Metrics: {scheme}://{place}:{port}/metrics",
                scheme="https" if endpoint_kind(listener.endpoint) == "ssl" else "http",
                place=f"[{host}]" if ":" in host else host,
                port=getattr(listener.address, "port", None),
            )


def _stop_listening(port: IListeningPort) -> Deferred[Any]:
    stopped = port.stopListening()
    return stopped if isinstance(stopped, Deferred) else succeed(stopped)
