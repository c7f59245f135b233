"""
The ports: endpoints are bound, with the connection limiter and TLS in front of each protocol, and closed.

Owns the ports from binding to closing. What is served on them is passed in.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final, cast

import attrs
from twisted.application.service import Service
from twisted.internet.abstract import FileDescriptor
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IProtocolFactory,
    IReactorSocket,
)
from twisted.logger import Logger

from wormhole_limits.scheduler import Scheduler
from wormhole_server.config.endpoints import (
    Endpoint,
    lacks_ipv6,
    listen_advice,
    listen_problem,
    on_ipv4,
    with_backlog,
)
from wormhole_server.config.settings import Settings
from wormhole_server.errors import StartError
from wormhole_server.listening.acceptor import accept_in_turn
from wormhole_server.listening.descriptors import watch_for_exhaustion
from wormhole_server.listening.factory import LimitingFactory
from wormhole_server.listening.limiter import ListenerKind, RefusalReason
from wormhole_server.listening.policy import ConnectionPolicy
from wormhole_server.listening.tls.wrapper import TlsWrapper
from wormhole_twisted.internals import leave_open, listening_socket

_log = Logger()

_HOLD_SECONDS: Final = 2.0
"""A start takes less, unless it migrates; then `/readyz` has to answer."""


class _NoIpv6Error(Exception):
    """An endpoint needs IPv6, which this machine does not have."""


@attrs.frozen
class BoundEndpoint:
    """
    An endpoint that listens.

    :ivar address: where; its port is the real one where the endpoint asks for any free port.
    """

    endpoint: Endpoint
    address: IAddress


class Ports(Service):
    """
    All ports of a server, bound in the order in which they were added.

    Clients' connections wait in the kernel until `accept`, or for `_HOLD_SECONDS`: they would be refused by a
    server that cannot serve them yet.

    :param scheduler: says when connections are accepted.
    :param policy: limits the connections to all ports but those for metrics.
    :param inherited: takes the socket of an endpoint that another process has opened; None: there is none.
    :ivar bound: the endpoints that listen, by the name of their option.
    """

    def __init__(
        self,
        reactor: ReactorBase,
        scheduler: Scheduler,
        policy: ConnectionPolicy,
        tls: TlsWrapper,
        inherited: Callable[[Endpoint], socket.socket | None] = lambda _: None,
    ) -> None:
        self.bound: dict[str, Sequence[BoundEndpoint]] = {}
        self._reactor = reactor
        self._scheduler = scheduler
        self._policy = policy
        self._tls = tls
        self._inherited = inherited
        self._hold: IDelayedCall | None = None
        self._services: list[tuple[ListenerKind, Sequence[Endpoint], IProtocolFactory]] = []
        self._ports: dict[ListenerKind, list[tuple[Endpoint, IListeningPort]]] = {
            each: [] for each in ListenerKind
        }

    def add(
        self, kind: ListenerKind, endpoints: Sequence[Endpoint], factory: IProtocolFactory
    ) -> None:
        """Serve `factory` on all `endpoints` when the service starts."""
        self._services.append((kind, endpoints, factory))

    def startService(self) -> Deferred[None]:
        """
        Bind all endpoints.

        :return: fails with one `StartError` that names all that cannot be bound.
        """
        super().startService()  # type: ignore[no-untyped-call]
        self._hold = self._reactor.callLater(_HOLD_SECONDS, self.accept)
        return Deferred.fromCoroutine(self._bind())

    def accept(self) -> None:
        """Accept connections of clients from now on."""
        self._end_hold()
        for _, port in chain.from_iterable(self._ports.values()):
            if isinstance(port, FileDescriptor):
                port.startReading()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[Any]:
        """Close the ports that are still open."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._end_hold()
        return DeferredList([self.close(kind) for kind in ListenerKind])

    def close(self, kind: ListenerKind) -> Deferred[Any]:
        """Close the ports of one kind; their connections stay."""
        ports, self._ports[kind] = self._ports[kind], []
        return DeferredList([maybeDeferred(port.stopListening) for _, port in ports])

    def share(self) -> list[tuple[Endpoint, socket.socket]]:
        """
        List the ports that another process can go on with.

        :return: the socket of each, which stays open when it is closed here.
        """
        shared = []
        for endpoint, port in chain.from_iterable(self._ports.values()):
            handle = listening_socket(port)
            if handle is not None:
                leave_open(port)
                # Not `handle.dup`, which lets both wait where there is nothing to accept.
                shared.append((endpoint, socket.socket(fileno=os.dup(handle.fileno()))))
        return shared

    def _end_hold(self) -> None:
        if self._hold is not None and self._hold.active():
            self._hold.cancel()
        self._hold = None

    async def _bind(self) -> None:
        problems: list[str] = []
        without_ipv6: list[str] = []
        for kind, endpoints, factory in self._services:
            bound: list[BoundEndpoint] = []
            for endpoint in endpoints:
                try:
                    bound.append(await self._listen_or_on_ipv4(kind, endpoint, factory))
                except _NoIpv6Error:
                    without_ipv6.append(f"--{kind.value}={endpoint}")
                except StartError as error:
                    problems.append(str(error))
            self.bound[kind.value] = bound
        if without_ipv6:
            problems.append(
                f"this machine has no IPv6, so that the server cannot listen on "
                f"{' '.join(without_ipv6)}; give each an interface=0.0.0.0, or another IPv4 address"
            )
        if problems:
            raise StartError(". ".join(problems))

    async def _listen_or_on_ipv4(
        self, kind: ListenerKind, endpoint: Endpoint, factory: IProtocolFactory
    ) -> BoundEndpoint:
        """Listen; a default that needs IPv6 is replaced where there is none."""
        try:
            return await self._listen(kind, endpoint, factory)
        except _NoIpv6Error:
            instead = on_ipv4(endpoint)
            if endpoint not in (*Settings().rendezvous, *Settings().transit):
                raise
        bound = await self._listen(kind, instead, factory)
        _log.warn(
            "{name}: this machine has no IPv6; listening on {endpoint}.",
            name=kind.value,
            endpoint=instead,
        )
        return bound

    async def _listen(
        self, kind: ListenerKind, endpoint: Endpoint, factory: IProtocolFactory
    ) -> BoundEndpoint:
        name = kind.value
        tcp, factory = self._tls.wrap(name, endpoint, factory)
        if kind is not ListenerKind.METRICS:
            # Before TLS: a PROXY header comes first, and a refused connection costs no handshake.
            factory = LimitingFactory(self._scheduler, factory, kind, self._policy)
        try:
            port = await self._open(endpoint, tcp, factory)
        except CannotListenError as error:
            if lacks_ipv6(endpoint, error.socketError):
                raise _NoIpv6Error from error
            why = getattr(error.socketError, "strerror", None) or error.socketError
            raise StartError(
                f"{name}: cannot listen on {endpoint}: {why}; {listen_advice(name, error.socketError)}"
            ) from error
        except Exception as error:  # a plugin's endpoint may raise anything
            raise StartError(
                f"{name}: cannot listen on {endpoint}: {listen_problem(endpoint, error)}"
            ) from error
        limiter = self._policy.limiter
        watch_for_exhaustion(
            port, self._reactor, lambda: limiter.refuse(kind, RefusalReason.DESCRIPTORS)
        )
        accept_in_turn(self._scheduler, port)
        held = self._hold is not None and kind is not ListenerKind.METRICS
        if held and isinstance(port, FileDescriptor):
            port.stopReading()  # type: ignore[no-untyped-call]
        self._ports[kind].append((endpoint, port))
        return BoundEndpoint(endpoint, port.getHost())

    async def _open(
        self, endpoint: Endpoint, tcp: str, factory: IProtocolFactory
    ) -> IListeningPort:
        inherited = self._inherited(endpoint)
        if inherited is None:
            opened = serverFromString(self._reactor, with_backlog(tcp)).listen(factory)
            return cast(IListeningPort, await opened)
        with inherited:
            inherited.setblocking(False)
            return cast(IReactorSocket, self._reactor).adoptStreamPort(
                inherited.fileno(), inherited.family, cast(Any, factory)
            )
