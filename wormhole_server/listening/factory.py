"""
The limiting factory: accepts connections, limits them, reads PROXY headers, and gives each connection to
the factory behind it.

Owns the path from an accepted connection to the protocol that serves it. Nothing stays in between: the
transport gets the final protocol directly, so that the relay can let the kernel move its bytes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, cast

import attrs
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    ILoggingContext,
    IProtocolFactory,
    IReactorFDSet,
    IReactorSocket,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_limits.ip_addresses import IP, address_block, peer_address
from wormhole_limits.memory import Holding
from wormhole_limits.scheduler import Scheduler
from wormhole_server.listening.deny_list import ReloadableDenyList
from wormhole_server.listening.limiter import ListenerKind, RefusalReason
from wormhole_server.listening.memory import HoldingConnection
from wormhole_server.listening.policy import ConnectionPolicy
from wormhole_server.listening.proxies.forwarded_headers import HeaderValues, client_address
from wormhole_server.listening.proxies.proxy_protocol import (
    HeaderStatus,
    ProxyHeader,
    read_proxy_header,
)
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies
from wormhole_server.listening.reading import read_in_turn, reading_of
from wormhole_server.listening.refused_connections import (
    RefusedConnection,
    RefusedRelayConnection,
    RefusedWebConnection,
)
from wormhole_twisted.internals import (
    ConnectionHook,
    connection_hook,
    forget_names,
    is_aborting,
    protocol_of,
    replace_protocol,
    take_socket,
    unsent_bytes,
)

_log = Logger()

# At one endpoint, of which there are usually two. Each holds a reserved file descriptor for some seconds.
MAX_REFUSED: Final = 32


@attrs.frozen
class ReleasedSocket:
    """
    The socket of a connection, on its way from one process to another.

    :ivar unsent: bytes that are still to be sent to the peer.
    :ivar ip: the address that the connection is counted for; None: for none.
    """

    socket: socket.socket
    unsent: bytes
    ip: IP | None


class CountedConnection(ConnectionHook):
    """
    A connection that the limiter counts until it is lost.

    :ivar ip: the address that it is counted for; None as long as it is counted for none.
    """

    __slots__ = ("_listener", "_policy", "ip")

    def __init__(
        self,
        scheduler: Scheduler,
        policy: ConnectionPolicy,
        listener: ListenerKind,
        ip: IP | None,
        transport: ITransport,
    ) -> None:
        super().__init__(transport)
        forget_names(transport)
        self._policy = policy
        self._listener = listener
        self.ip = ip
        block = None if ip is None else address_block(ip)
        read_in_turn(scheduler, transport, block)
        policy.accepted.add(self)

    def identify(self, address: IAddress) -> RefusalReason | None:
        """Count the connection for `address`, unless it is counted for one; None: it may stay."""
        client = peer_address(address)
        if self.ip is not None or client is None:
            return None
        reason = self._policy.limiter.identify(client.ip, self._listener)
        if reason is None:
            self.ip = client.ip
            reading = reading_of(self._transport)
            if reading is not None:
                reading.count_for(address_block(client.ip))
        return reason

    def connection_lost(self) -> None:
        """Count it no longer."""
        reading = reading_of(self._transport)
        if reading is not None:
            reading.end()
        self._policy.accepted.discard(self)
        self._policy.holding.discard(self)
        self._policy.limiter.remove(self.ip)

    def bytes_held(self) -> None:
        """Remember that its protocol holds bytes, until `holding` finds none."""
        self._policy.holding.add(self)

    def holding(self) -> Holding | None:
        """What it holds in memory; None: nothing, or no longer than until the reactor's next turn."""
        if is_aborting(self._transport):
            return None
        protocol = protocol_of(self._transport)
        held = getattr(protocol, "held_bytes", 0)
        if not held:
            self._policy.holding.discard(self)
        size = unsent_bytes(self._transport) + held
        return Holding(size, getattr(protocol, "unfinished_message", None)) if size else None

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abortConnection()

    def release(self) -> ReleasedSocket:
        """Take its socket, for another process to go on with; it must be TCP without TLS."""
        self.connection_lost()
        return ReleasedSocket(*take_socket(self._transport), self.ip)


def may_hold(reactor: IReactorFDSet, policy: ConnectionPolicy) -> set[HoldingConnection]:
    """
    Find the connections that may hold something in memory.

    All others hold nothing but the beginning of a frame, or of TLS. A transport that has not sent everything
    is one that the reactor writes to. To look at ten thousand connections that wait would take twenty
    milliseconds each time.
    """
    hooks = (connection_hook(cast(ITransport, writer)) for writer in reactor.getWriters())
    return {hook for hook in hooks if isinstance(hook, CountedConnection)} | policy.holding


@implementer(IAddress)
@attrs.frozen(eq=False)
class ConnectionAddress:
    """
    The address that `LimitingFactory` passes to the factory behind it.

    :ivar address: of the peer, or of the client that a PROXY header names.
    """

    address: IAddress
    _connection: CountedConnection
    _trusted: TrustedProxies
    _deny_list: ReloadableDenyList

    @property
    def is_proxy(self) -> bool:
        """Whether the headers of its requests are trusted."""
        return self._trusted.trusts_peer(self.address)

    def origin(self, headers: HeaderValues) -> IAddress:
        """Find the client that a request with these headers comes from."""
        return client_address(self.address, headers, self._trusted)

    def client(self, headers: HeaderValues) -> IAddress | RefusalReason:
        """
        Find the client that a request comes from, and count the connection for it.

        :param headers: of the request.
        :return: the client's address; a reason where that address has reached its limit.
        """
        address = self.origin(headers)
        if address is self.address:
            return address
        return self._connection.identify(address) or address

    def is_denied(self, headers: HeaderValues) -> bool:
        """Return whether the client that a request comes from is on the deny list."""
        client = peer_address(self.origin(headers))
        return client is not None and self._deny_list.find(client.ip) is not None

    def deny(self, headers: HeaderValues) -> str | None:
        """
        Decide whether the client that a request comes from is on the deny list.

        :return: the message for one that has to be refused, which is counted; None: it may be served.
        """
        return self._deny_list.deny(self.origin(headers))


@implementer(ILoggingContext)
class LimitingFactory(Factory):
    """
    Limits the connections of another factory.

    :param scheduler: says when connections are read.
    :param inner: makes the protocols; its `buildProtocol` gets a `ConnectionAddress`.
    :param listener: what `inner` serves.
    :param policy: shared by all listeners of the process.
    """

    noisy = False

    def __init__(
        self,
        scheduler: Scheduler,
        inner: IProtocolFactory,
        listener: ListenerKind,
        policy: ConnectionPolicy,
    ) -> None:
        self.clock = scheduler.clock
        self._scheduler = scheduler
        self.listener = listener
        self.policy = policy
        self._inner = inner
        self._refused: dict[RefusedConnection, None] = {}

    def doStart(self) -> None:  # noqa: N802 - Factory prescribes it
        """Start the factory behind this one as well."""
        super().doStart()  # type: ignore[no-untyped-call]
        self._inner.doStart()

    def doStop(self) -> None:  # noqa: N802
        """Stop the factory behind this one as well."""
        self._inner.doStop()
        super().doStop()  # type: ignore[no-untyped-call]

    def logPrefix(self) -> str:
        """The name of the factory behind this one."""
        inner = self._inner
        return inner.logPrefix() if ILoggingContext.providedBy(inner) else type(inner).__name__

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A protocol that lasts until the connection has its transport."""
        return _Accepted(self, cast(IAddress, addr))

    def accepted(self, transport: ITransport, peer: IAddress) -> None:
        """Count or refuse a new connection."""
        proxies = self.policy.trusted_proxies
        trusted = proxies.trusts_peer(peer)
        client = None if trusted else peer_address(peer)
        ip = None if client is None else client.ip
        reason = self.policy.limiter.add(ip, self.listener)
        if reason is not None:
            self._refuse_within_bound(transport, reason)
            return
        try:
            connection = CountedConnection(
                self._scheduler, self.policy, self.listener, ip, transport
            )
        except Exception:
            self.policy.limiter.remove(ip)
            raise
        address = ConnectionAddress(peer, connection, proxies, self.policy.deny_list)
        if trusted:
            replace_protocol(transport, _ProxyHeaderReader(self, address, connection))
        else:
            self.serve(transport, address, b"")

    def serve(self, transport: ITransport, address: ConnectionAddress, data: bytes) -> None:
        """Give the connection to the factory behind this one."""
        protocol = self._inner.buildProtocol(address)
        if protocol is None:
            transport.loseConnection()
        else:
            replace_protocol(transport, protocol, data)

    def adopt(self, released: ReleasedSocket, protocol: Protocol) -> None:
        """
        Go on with a connection that another process has accepted, and was counted there.

        :param protocol: serves it, in place of one of the factory behind this one.
        :raises OSError: the peer is gone.
        """
        with released.socket as handle:
            handle.setblocking(False)
            cast(IReactorSocket, self.clock).adoptStreamConnection(
                handle.fileno(), handle.family, cast(Any, _Adopting(self, released, protocol))
            )

    def adopted(self, transport: ITransport, released: ReleasedSocket, protocol: Protocol) -> None:
        """Count the connection, which has its transport."""
        self.policy.limiter.adopt(released.ip)
        try:
            CountedConnection(self._scheduler, self.policy, self.listener, released.ip, transport)
        except Exception:
            self.policy.limiter.remove(released.ip)
            raise
        transport.write(released.unsent)  # before anything that the protocol writes
        replace_protocol(transport, protocol)

    def refuse(
        self,
        transport: ITransport,
        reason: RefusalReason,
        data: bytes = b"",
        lost: Callable[[RefusedConnection], None] = lambda _: None,
    ) -> RefusedConnection:
        """Tell the client that its connection is refused, and close it."""
        refused = (
            RefusedWebConnection(self.clock, lost, reason)
            if self.listener is ListenerKind.RENDEZVOUS
            else RefusedRelayConnection(self.clock, lost)
        )
        replace_protocol(transport, refused, data)
        return refused

    def _refuse_within_bound(self, transport: ITransport, reason: RefusalReason) -> None:
        if len(self._refused) >= MAX_REFUSED:
            # The oldest has had the longest time to send its request.
            next(iter(self._refused)).close_now()
        refused = self.refuse(transport, reason, lost=self._forget)
        self._refused[refused] = None

    def _forget(self, refused: RefusedConnection) -> None:
        self._refused.pop(refused, None)  # an exception may have kept it from being noted


def _close_failed(transport: ITransport) -> None:
    """
    Log the exception that is being handled, and close the connection that it keeps from being served.

    Twisted would log it as well, and leave the connection open until the client closes it.
    """
    _log.failure("A new connection is closed because of an internal error")
    cast(ITCPTransport, transport).abortConnection()


class _Accepted(Protocol):
    """A new connection, until its transport is known: only with that can it be counted or refused."""

    def __init__(self, factory: LimitingFactory, address: IAddress) -> None:
        self._factory = factory
        self._address = address

    def makeConnection(self, transport: ITransport) -> None:
        """The transport is known."""
        try:
            self._factory.accepted(transport, self._address)
        except Exception:
            _close_failed(transport)


class _Adopting(Protocol):
    """
    A connection that another process has accepted, until its transport is known.

    Twisted asks a factory for the protocol; this one is for a single connection.
    """

    def __init__(
        self, factory: LimitingFactory, released: ReleasedSocket, protocol: Protocol
    ) -> None:
        self._factory = factory
        self._released = released
        self._protocol = protocol

    def buildProtocol(self, _: IAddress) -> Protocol:
        """Return this protocol."""
        return self

    def makeConnection(self, transport: ITransport) -> None:
        """The transport is known."""
        try:
            self._factory.adopted(transport, self._released, self._protocol)
        except Exception:
            _close_failed(transport)


class _ProxyHeaderReader(Protocol):
    """A connection from a trusted proxy, which may begin with a PROXY header."""

    transport: ITCPTransport

    def __init__(
        self, factory: LimitingFactory, address: ConnectionAddress, connection: CountedConnection
    ) -> None:
        self._factory = factory
        self._address = address
        self._connection = connection
        self._data = b""
        self._timeout: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Start the timeout."""
        self._timeout = self._factory.clock.callLater(
            self._factory.policy.header_seconds, self._timed_out
        )

    def dataReceived(self, data: bytes) -> None:
        """Read the beginning of a header, or of something else."""
        if self._timeout is None:
            return  # the connection is being closed
        self._data += data
        header = read_proxy_header(self._data)
        if header is HeaderStatus.NEED_MORE:
            return
        self._cancel_timeout()
        if isinstance(header, ProxyHeader):
            self._header_received(header)
        elif header is HeaderStatus.NO_HEADER:
            self._factory.serve(self.transport, self._address, self._data)
        else:
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """Cancel the timeout: probes connect and close at once."""
        self._cancel_timeout()

    def _header_received(self, header: ProxyHeader) -> None:
        address, rest = self._address, self._data[header.length :]
        if header.client is not None:
            client = header.client.as_address()
            # Another trusted proxy names its clients in its requests, and does not count itself.
            if not self._factory.policy.trusted_proxies.trusts_peer(client):
                reason = self._connection.identify(client)
                if reason is not None:
                    self._factory.refuse(self.transport, reason, rest)
                    return
            address = attrs.evolve(address, address=client)
        self._factory.serve(self.transport, address, rest)

    def _timed_out(self) -> None:
        self._timeout = None
        if self._data:
            self._abort()
        else:
            # It sends no header; the protocol behind has its own timeout for silence.
            try:
                self._factory.serve(self.transport, self._address, b"")
            except Exception:
                _close_failed(self.transport)

    def _abort(self) -> None:
        self._factory.policy.limiter.refuse(self._factory.listener, RefusalReason.PROXY_HEADER)
        self.transport.abortConnection()

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
