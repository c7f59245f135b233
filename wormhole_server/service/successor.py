"""
The successor: the process that will serve after this one, and what is handed over to it.

Owns to whom: systemd, which keeps it until the next process starts, or a server that has asked for it on the
Unix socket of `take-over`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from typing import Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorUNIX, ITransport
from twisted.logger import Logger

from transit_relay.relay import Relay
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.state import VERSION, HandedPeer, HandedState, encode
from wormhole_server.lifecycle.handover.take_over import (
    SuccessorConnection,
    wait_for_successor,
)
from wormhole_server.lifecycle.systemd import Notifier
from wormhole_server.listening.factory import CountedConnection, ReleasedSocket
from wormhole_server.listening.ports import Ports
from wormhole_twisted.internals import connection_hook

_log = Logger()

_ANNOUNCED_SECONDS: Final = 10.0
"""From the announcement of a restart to the stop; they follow each other at once."""


class Successor(Service):
    """
    The process after this one.

    :param monotonic: seconds of CLOCK_MONOTONIC.
    :param notifier: knows whether systemd keeps anything.
    :param path: of the Unix socket on which servers may ask; None: there is none.
    """

    def __init__(
        self,
        reactor: IReactorUNIX,
        monotonic: Callable[[], float],
        notifier: Notifier,
        path: str | None,
        relay: Relay,
        ports: Ports,
    ) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._notifier = notifier
        self._path = path
        self._relay = relay
        self._port_service = ports
        self._listener: IListeningPort | None = None
        self._is_serving = False
        self._stops_for_systemd = False
        self._announced_at = float("-inf")
        # All that have asked; each goes on when this process is gone. One of them is handed everything.
        self._asking: list[tuple[SuccessorConnection, Collection[int]]] = []
        self._chosen: SuccessorConnection | None = None
        self._shared: list[tuple[Endpoint, socket.socket]] = []

    @property
    def is_expected(self) -> bool:
        """Whether there will be one that can go on with the relay's connections."""
        return self._stops_for_systemd or (
            self._chosen is not None and bool(self._chosen.connected)
        )

    def startService(self) -> None:
        """
        Let servers ask; none is handed anything before `serve`.

        :raises StartError: the Unix socket cannot be made.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if self._path is not None:
            try:
                self._listener = wait_for_successor(self._reactor, self._path, self._arrived)
            except (CannotListenError, OSError) as error:
                why = getattr(error, "socketError", error)
                raise StartError(
                    f"take-over: cannot listen on {self._path}: {why}; name a socket in a directory that "
                    "the server may write to"
                ) from error

    def stopService(self) -> Deferred[None]:
        """Let those that have asked go on: everything else of this process has stopped."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._release())

    def announce(self) -> None:
        """Take a stop within the next seconds for a restart by systemd."""
        self._announced_at = self._monotonic()

    def serve(self) -> None:
        """There is something to hand over from now on."""
        self._is_serving = True
        for connection, versions in list(self._asking):
            self._choose(connection, versions)

    def stop(self) -> None:
        """This process stops, for whatever reason; one that asks from now on is handed nothing."""
        recent = self._monotonic() - self._announced_at <= _ANNOUNCED_SECONDS
        self._stops_for_systemd = self._is_serving and recent and self._notifier.is_there
        self._is_serving = False

    def hand_over(self) -> None:
        """Give everything away; nothing of the relay's is left here that another process can go on with."""
        moved = self._relay.hand_over(_take)
        ports, self._shared = self._shared, []
        sockets = [*(handle for _, handle in ports), *(released.socket for released, _ in moved)]
        state = HandedState(
            moment=self._monotonic(),
            ports=tuple(str(endpoint) for endpoint, _ in ports),
            peers=tuple(
                HandedPeer(
                    connection,
                    released.unsent,
                    None if released.ip is None else str(released.ip),
                )
                for released, connection in moved
            ),
        )
        try:
            self._send(bundle.pack(encode(state), sockets))
        except OSError as error:
            _log.error(
                "The relay's connections cannot be handed over, and are closed: {error}",
                error=error,
            )
        else:
            _log.info("Handed over: {count} connections of the relay.", count=len(moved))
        bundle.close_all(sockets)

    def _send(self, packed: int) -> None:
        chosen = self._chosen
        if chosen is not None and chosen.connected:
            chosen.send(packed)
            return
        try:
            if chosen is not None or not self._notifier.keep(packed):
                raise OSError("the next process does not answer")
        finally:
            os.close(packed)

    def _arrived(self, connection: SuccessorConnection, versions: Collection[int]) -> None:
        self._asking.append((connection, versions))
        if self._is_serving or self._chosen is not None:
            self._choose(connection, versions)

    def _choose(self, connection: SuccessorConnection, versions: Collection[int]) -> None:
        """Hand over to this one, unless it has gone or another one is there; the first stops this process."""
        if not connection.connected or self.is_expected:
            return
        known = VERSION in versions
        if known:
            self._chosen = connection
            self._shared = self._shared or self._port_service.share()
        if self._is_serving:
            _log.info(
                "Another server takes over."
                if known
                else "Another server takes over, of a version that cannot go on with the relay's "
                "connections: they may finish."
            )
            self._is_serving = False
            cast(IReactorCore, self._reactor).stop()

    async def _release(self) -> None:
        if self._listener is not None:
            await maybeDeferred(self._listener.stopListening)
        bundle.close_all(handle for _, handle in self._shared)
        for connection, _ in self._asking:
            await connection.close()


def _take(transport: ITransport) -> ReleasedSocket:
    """Take the socket of a counted connection."""
    return cast(CountedConnection, connection_hook(transport)).release()
