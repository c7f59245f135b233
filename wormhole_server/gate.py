"""
Where connections to the web root and to the relay come in: who is it, and is there room?

Owns the way from an accepted connection to the protocol that serves it. Nothing of the gate stays in
between: once it is known whose a connection is, the transport gets that protocol in place of the gate's,
with whatever has come by then, and the kernel may move its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import attrs
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_server.admission import Admissions, Entrance, Refusal
from wormhole_server.proxies.forwarded import Headers, client_of
from wormhole_server.proxies.header import Answer, Header, read_header
from wormhole_server.proxies.places import IP, place_of
from wormhole_server.proxies.trust import Trust
from wormhole_server.turned_away import TurnedAway, TurnedAwayFromRelay, TurnedAwayFromWeb

# At one endpoint, of which there mostly are two. Each holds a descriptor of the reserve for some seconds.
MOST_TURNED_AWAY: Final = 32


def hand_over(transport: ITransport, protocol: IProtocol, data: bytes = b"") -> None:
    """Let `protocol` have the connection from now on, beginning with `data`."""
    if isinstance(transport, ProtocolWrapper):
        # TLS
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol  # type: ignore[attr-defined] # as every transport of Twisted has
    protocol.makeConnection(transport)
    if data:
        protocol.dataReceived(data)


class Visit:
    """
    A connection that was let in, until it is gone.

    Its protocol changes on the way, and the last one knows nothing of visits: so it is the transport that
    tells. (What Twisted does when it is lost is put aside, for an instance, and comes after.)

    :ivar ip: where it comes from; None as long as nobody has counted that.
    """

    __slots__ = ("_admissions", "_transport", "entrance", "ip")

    def __init__(
        self, admissions: Admissions, entrance: Entrance, ip: IP | None, transport: Any
    ) -> None:
        self._admissions = admissions
        self.entrance = entrance
        self.ip = ip
        while isinstance(transport, ProtocolWrapper):
            transport = transport.transport
        self._transport = transport
        transport.connectionLost = self._over

    def identify(self, address: IAddress) -> Refusal | None:
        """It turns out that it comes from `address`; None lets it stay."""
        place = place_of(address)
        if self.ip is not None or place is None:
            return None
        refusal = self._admissions.identify(place.ip, self.entrance)
        if refusal is None:
            self.ip = place.ip
        return refusal

    def _over(self, *reason: Any) -> None:
        transport = self._transport
        del transport.connectionLost
        self._admissions.leave(self.ip)
        transport.connectionLost(*reason)


@implementer(IAddress)
@attrs.frozen(eq=False)
class Arrival:
    """
    What a factory behind a gate is given for an address.

    :ivar address: whom the connection comes from, as far as that is known before a word of it is read.
    """

    address: IAddress
    _visit: Visit
    _trust: Trust

    @property
    def is_proxy(self) -> bool:
        """Whether its requests may speak for others."""
        return self._trust.in_peer(self.address)

    def client(self, headers: Headers) -> IAddress | Refusal:
        """Whom a request with such headers comes from; or why that one cannot be let in."""
        address = client_of(self.address, headers, self._trust)
        if address is self.address:
            return address
        return self._visit.identify(address) or address


@implementer(ILoggingContext)
class Gate(Factory):
    """
    Stands before a factory.

    :param inner: makes the protocols; it is handed an `Arrival` for an address.
    :param admissions: shared by all gates of the process.
    :param header_seconds: how long a trusted proxy may take for its first bytes, all of the PROXY header.
    :ivar trust: whom to believe; may change at any time, for who comes next.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        inner: IProtocolFactory,
        admissions: Admissions,
        entrance: Entrance,
        trust: Trust,
        header_seconds: float,
    ) -> None:
        self.clock = clock
        self.admissions = admissions
        self.entrance = entrance
        self.trust = trust
        self.header_seconds = header_seconds
        self._inner = inner
        self._turned_away: dict[TurnedAway, None] = {}

    def doStart(self) -> None:  # noqa: N802 - Factory prescribes it
        """A port begins to listen."""
        super().doStart()  # type: ignore[no-untyped-call]
        self._inner.doStart()

    def doStop(self) -> None:  # noqa: N802
        """A port listens no more."""
        self._inner.doStop()
        super().doStop()  # type: ignore[no-untyped-call]

    def logPrefix(self) -> str:
        """As the log knows what is behind it."""
        inner = self._inner
        return inner.logPrefix() if ILoggingContext.providedBy(inner) else type(inner).__name__

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Nobody's, so far."""
        return _Arriving(self, cast(IAddress, addr))

    def arrived(self, transport: ITransport, peer: IAddress) -> None:
        """A connection has been accepted."""
        trust = self.trust
        trusted = trust.in_peer(peer)
        place = None if trusted else place_of(peer)
        ip = None if place is None else place.ip
        refusal = self.admissions.enter(ip, self.entrance)
        if refusal is not None:
            self._turn_away_at_once(transport, refusal)
            return
        visit = Visit(self.admissions, self.entrance, ip, transport)
        arrival = Arrival(peer, visit, trust)
        if trusted:
            hand_over(transport, _Threshold(self, arrival, visit))
        else:
            self.let_in(transport, arrival, b"")

    def let_in(self, transport: ITransport, arrival: Arrival, data: bytes) -> None:
        """The connection is for what is behind the gate."""
        protocol = self._inner.buildProtocol(arrival)
        if protocol is None:
            transport.loseConnection()
        else:
            hand_over(transport, protocol, data)

    def turn_away(
        self,
        transport: ITransport,
        refusal: Refusal,
        data: bytes = b"",
        gone: Callable[[TurnedAway], None] = lambda _: None,
    ) -> TurnedAway:
        """The connection is not let in, and is told so."""
        guest = (
            TurnedAwayFromWeb(self.clock, gone, refusal)
            if self.entrance is Entrance.RENDEZVOUS
            else TurnedAwayFromRelay(self.clock, gone)
        )
        hand_over(transport, guest, data)
        return guest

    def _turn_away_at_once(self, transport: ITransport, refusal: Refusal) -> None:
        if len(self._turned_away) >= MOST_TURNED_AWAY:
            # Who means to ask has asked by now; who comes in crowds and says nothing makes room.
            next(iter(self._turned_away)).out_at_once()
        guest = self.turn_away(transport, refusal, gone=self._turned_away.pop)
        self._turned_away[guest] = None


class _Arriving(Protocol):
    """A connection that has been accepted just now: only with its transport can anything be done."""

    def __init__(self, gate: Gate, address: IAddress) -> None:
        self._gate = gate
        self._address = address

    def makeConnection(self, transport: ITransport) -> None:
        """Here it is."""
        self._gate.arrived(transport, self._address)


class _Threshold(Protocol):
    """A trusted proxy, which may say first for whom it comes."""

    transport: ITCPTransport

    def __init__(self, gate: Gate, arrival: Arrival, visit: Visit) -> None:
        self._gate = gate
        self._arrival = arrival
        self._visit = visit
        self._data = b""
        self._patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """It has a while for that."""
        self._patience = self._gate.clock.callLater(self._gate.header_seconds, self._too_late)

    def dataReceived(self, data: bytes) -> None:
        """The beginning of a header, or of something else."""
        if self._patience is None:
            return  # it is being closed
        self._data += data
        read = read_header(self._data)
        if read is Answer.NEED_MORE:
            return
        self._forget_patience()
        if isinstance(read, Header):
            self._announced(read)
        elif read is Answer.NO_HEADER:
            self._gate.let_in(self.transport, self._arrival, self._data)
        else:
            self._end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """It has gone, as those do that only want to know whether the port is open."""
        self._forget_patience()

    def _announced(self, header: Header) -> None:
        arrival, rest = self._arrival, self._data[header.length :]
        if header.client is not None:
            address = header.client.as_address()
            # One more proxy of the operator's own has its clients' addresses in its requests.
            if not self._gate.trust.in_peer(address):
                refusal = self._visit.identify(address)
                if refusal is not None:
                    self._gate.turn_away(self.transport, refusal, rest)
                    return
            arrival = attrs.evolve(arrival, address=address)
        self._gate.let_in(self.transport, arrival, rest)

    def _too_late(self) -> None:
        self._patience = None
        if self._data:
            self._end()
        else:
            # It has nothing to say for anybody; how long it may be silent is for others to decide.
            self._gate.let_in(self.transport, self._arrival, b"")

    def _end(self) -> None:
        self._gate.admissions.refused(self._gate.entrance, Refusal.PROXY_HEADER)
        self.transport.abortConnection()

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
