"""
The predecessor: the process that served before, and what it has handed over.

Owns from whom: systemd, which has kept it, or the server that runs, if it is asked on the Unix socket of
`take-over`; and puts the relay's connections together again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorUNIX
from twisted.logger import Logger

from transit_relay.connection import Connection
from transit_relay.relay import Relay
from transit_relay.tcp import TransitProtocol
from transit_relay.transport import RelayTransport
from transit_relay.websocket import TransitWebSocketFactory
from wormhole_limits.ip_addresses import address_block, parse_ip
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.errors import StartError
from wormhole_server.lifecycle.handover import bundle
from wormhole_server.lifecycle.handover.state import (
    VERSIONS,
    HandedPeer,
    UnknownVersionError,
    decode,
)
from wormhole_server.lifecycle.handover.take_over import ask_predecessor
from wormhole_server.lifecycle.systemd import Notifier
from wormhole_server.listening.factory import LimitingFactory, ReleasedSocket

_log = Logger()


class Predecessor(Service):
    """
    The process before this one; the start of the service waits until it is gone.

    :param monotonic: seconds of CLOCK_MONOTONIC.
    :param notifier: knows what systemd has kept.
    :param path: of the Unix socket on which a server may wait for this one; None: there is none.
    :param endpoints: those that this process opens; ports for others are closed.
    """

    def __init__(
        self,
        reactor: IReactorUNIX,
        monotonic: Callable[[], float],
        notifier: Notifier,
        path: str | None,
        endpoints: Collection[Endpoint],
    ) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._notifier = notifier
        self._path = path
        self._endpoints = endpoints
        self._ports: list[tuple[str, socket.socket]] = []
        self._peers: list[tuple[HandedPeer, socket.socket]] = []

    def startService(self) -> Deferred[None]:
        """Take what it hands over; the Deferred fires when its database and its ports are free."""
        super().startService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._take())

    def port(self, endpoint: Endpoint) -> socket.socket | None:
        """Take the port that it has opened for an endpoint; None: it has none."""
        for place, (name, _) in enumerate(self._ports):
            if name == endpoint:
                return self._ports.pop(place)[1]
        return None

    def resume(
        self, relay: Relay, websockets: TransitWebSocketFactory, factory: LimitingFactory
    ) -> None:
        """
        Go on with the connections of its relay.

        :param websockets: makes those over WebSocket.
        :param factory: counts them.
        """
        peers, self._peers = self._peers, []
        if peers:
            connections = [
                _adopt(relay, websockets, factory, peer, handle) for peer, handle in peers
            ]
            relay.reunite(connections, [peer.connection for peer, _ in peers])
            _log.info("Taken over: {count} connections of the relay.", count=len(peers))
        if self._notifier.kept is not None:
            self._notifier.forget_kept()

    async def _take(self) -> None:
        received = None
        if self._path is not None:
            try:
                received = await ask_predecessor(
                    self._reactor, self._path, VERSIONS, self._report_found
                )
            except ConnectError as error:
                raise StartError(
                    f"take-over: {self._path} cannot be used: {error}; name a socket that this user may use"
                ) from error
        for each in (received, self._notifier.kept):
            if each is not None:
                self._unpack(each)

    def _unpack(self, descriptor: int) -> None:
        sockets: list[socket.socket] = []
        try:
            description, sockets = bundle.unpack(descriptor)
            state = decode(description, self._monotonic())
            named = [*state.ports, *state.peers]
            if len(named) != len(sockets):
                raise bundle.NoBundleError(f"{len(named)} sockets, and {len(sockets)} came")
        except (bundle.NoBundleError, UnknownVersionError) as error:
            _log.error(
                "What the process before has handed over cannot be used, and its connections of the relay "
                "are closed: {error}",
                error=error,
            )
            bundle.close_all(sockets)
            return
        count = len(state.ports)
        for name, handle in zip(state.ports, sockets[:count], strict=True):
            # One that stays open could be in the way of another of this process's own.
            if name in self._endpoints:
                self._ports.append((name, handle))
            else:
                handle.close()
        self._peers = list(zip(state.peers, sockets[count:], strict=True))

    def _report_found(self) -> None:
        _log.info("Waiting for the server that runs to hand over.")


def _adopt(
    relay: Relay,
    websockets: TransitWebSocketFactory,
    factory: LimitingFactory,
    peer: HandedPeer,
    handle: socket.socket,
) -> Connection | None:
    """Go on with one connection; None: it is lost."""
    ip = None if peer.client is None else parse_ip(peer.client)
    block = 0 if ip is None else address_block(ip)
    adopted: Connection | None = None

    def add(transport: RelayTransport) -> Connection:
        nonlocal adopted
        adopted = relay.add_connection(transport, peer.connection)
        return adopted

    frames = peer.connection.websocket
    protocol = (
        TransitProtocol(relay, block, add)
        if frames is None
        else websockets.reopen(block, add, frames)
    )
    try:
        factory.adopt(ReleasedSocket(handle, peer.unsent, ip), protocol)
    except OSError:  # its peer has gone meanwhile
        return None
    return adopted
