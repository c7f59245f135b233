"""
The successor: the process that will serve after this one, and what is handed over to it.

Owns to whom: systemd, which keeps it until the next process starts, or a server that has asked for it on the
Unix socket of `take-over`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from typing import cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorUNIX
from twisted.logger import Logger

from transit_relay.relay import Relay
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.state import VERSION, HandedPeer, HandedState, encode
from wormhole_server.lifecycle.handover.successor import (
    SuccessorConnection,
    wait_for_successor,
)
from wormhole_server.lifecycle.systemd import Notifier
from wormhole_server.listening.factory import CountedConnection
from wormhole_server.listening.ports import Ports
from wormhole_twisted.internals import lost_hook

_log = Logger()


class Successor(Service):
    """
    The process after this one.

    :param monotonic: seconds of CLOCK_MONOTONIC.
    :param notifier: knows whether systemd keeps anything.
    :param path: of the Unix socket on which a server may ask; None: there is none.
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
        self._connection: SuccessorConnection | None = None
        self._shared: list[tuple[Endpoint, socket.socket]] = []
        self._is_expected = False

    @property
    def is_expected(self) -> bool:
        """Whether there will be one that can go on with the relay's connections."""
        return self._is_expected

    def startService(self) -> None:
        """
        Wait for one that asks.

        :raises StartError: the Unix socket cannot be made.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if self._path is not None:
            try:
                self._listener = wait_for_successor(self._reactor, self._path, self._arrived)
            except (CannotListenError, OSError) as error:
                why = getattr(error, "socketError", error)
                raise StartError(
                    f"take-over: cannot listen on {self._path}: {why}; name a file in a directory that the "
                    "server may write to"
                ) from error

    async def _close(self) -> None:
        if self._listener is not None:
            await maybeDeferred(self._listener.stopListening)
        if self._connection is not None:
            await self._connection.close()

    def stopService(self) -> Deferred[None]:
        """Let one that has asked go on: everything else of this process has stopped."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._close())

    def expect(self) -> None:
        """Expect that systemd starts one when this process has stopped."""
        self._is_expected = self._is_expected or self._notifier.is_there

    def hand_over(self) -> None:
        """Give everything away; nothing of the relay's is left here that another process can go on with."""
        moved = [
            (connection, cast(CountedConnection, lost_hook(transport)).release())
            for transport, connection in self._relay.hand_over()
        ]
        ports, self._shared = self._shared, []
        sockets = [*(handle for _, handle in ports), *(released.socket for _, released in moved)]
        state = HandedState(
            moment=self._monotonic(),
            ports=tuple(str(endpoint) for endpoint, _ in ports),
            peers=tuple(
                HandedPeer(
                    connection,
                    released.unsent,
                    None if released.ip is None else str(released.ip),
                )
                for connection, released in moved
            ),
        )
        try:
            packed = bundle.pack(encode(state), sockets)
            if self._connection is not None:
                self._connection.send(packed)
            else:
                self._notifier.keep(packed)
                os.close(packed)
        except OSError as error:
            _log.error("The relay's connections cannot be handed over: {error}", error=error)
        else:
            _log.info("Handed over: {count} connections of the relay.", count=len(moved))
        bundle.close_all(sockets)

    def _arrived(self, connection: SuccessorConnection, versions: Collection[int]) -> None:
        if self._connection is not None:
            connection.close()
            return
        self._connection = connection
        self._is_expected = VERSION in versions
        if self._is_expected:
            self._shared = self._port_service.share()
        _log.info(
            "Another server takes over."
            if self._is_expected
            else "Another server takes over, of a version that cannot go on with the relay's connections: "
            "they may finish."
        )
        cast(IReactorCore, self._reactor).stop()
