"""
Transit: one end of the way from both ends' hints to one record pipe.

Listens where the peer may connect, tries every address that the peer has sent and every relay, and
races them. Owns the listening port and the race.
"""

import ipaddress
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from wormhole_client.keys import TransitKeys
from wormhole_client.network.endpoints import Network
from wormhole_client.network.stream import open_stream
from wormhole_client.transit.addresses import local_addresses
from wormhole_client.transit.hints import (
    AddressHint,
    Hint,
    RelayHint,
    TcpHint,
    UrlHint,
    direct_addresses,
    parse_hints,
    relay_addresses,
)
from wormhole_client.transit.race import NoConnectionError, Race
from wormhole_client.transit.record_pipe import RecordPipe

RELAY_DELAY: Final = (
    2.0  # seconds that direct addresses are ahead; a relay costs its operator money
)
PRIORITY_DELAY: Final = 2.0  # seconds between relays of one priority and those of the next
RACE_SECONDS: Final = 60.0  # the peer's attempts have ended by then, too
SIDE_BYTES: Final = 8
DIRECT: Final = "direct-tcp-v1"
ONION: Final = "tor-tcp-v1"
RELAY: Final = "relay-v1"


class TransitError(Exception):
    """
    A connection attempt failed.

    :ivar reason: what the network or the handshake reported.
    """

    def __init__(self, via: str, reason: Failure) -> None:
        super().__init__(f"{via}: {reason.getErrorMessage()}")
        self.reason = reason


@attrs.define(eq=False)
class Transit:
    """
    One end of a transit connection.

    Send the peer `hints()` and `abilities()`; give `connect` the hints that it sends.

    :ivar key: the transit key, which the peer has too.
    :ivar sender: whether this end is the sender, which decides between connections.
    :ivar relays: are tried, and sent to the peer.
    :ivar listen: open a port and send the peer the addresses of this machine.
    :ivar addresses: lists these addresses.
    :ivar limit_seconds: after which `connect` fails.
    """

    reactor: Any
    network: Network
    key: bytes
    sender: bool
    relays: Sequence[RelayHint] = ()
    listen: bool = True
    addresses: Callable[[], Sequence[str]] = local_addresses
    limit_seconds: float = RACE_SECONDS
    _keys: TransitKeys = attrs.field(init=False)
    _race: Race[RecordPipe] = attrs.field(init=False)
    _ports: list[IListeningPort] = attrs.field(factory=list, init=False)
    _side: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._keys = TransitKeys(self.key)
        self._race = Race(self.reactor)
        self._side = secrets.token_hex(SIDE_BYTES)
        self.listen = self.listen and self.network.direct

    def abilities(self) -> list[dict[str, Any]]:
        """List the types of hints that this end can use, in the protocol's form."""
        kinds = [DIRECT, RELAY] if self.network.direct else [DIRECT, ONION, RELAY]
        return [{"type": kind} for kind in kinds]

    async def hints(self) -> list[dict[str, Any]]:
        """Begin to listen, and list this end's hints in the protocol's form."""
        own: list[Hint] = list(self.relays)
        if self.listen:
            addresses = self.addresses()
            port = await self._listen(any(":" in address for address in addresses))
            own += [TcpHint(address, port) for address in addresses]
        return [hint.to_json() for hint in own]

    async def _listen(self, both_families: bool) -> int:
        endpoint: Any = TCP6ServerEndpoint if both_families else TCP4ServerEndpoint
        listening = await endpoint(self.reactor, 0).listen(Factory.forProtocol(self._accept))
        self._ports.append(listening)
        port: int = listening.getHost().port
        return port

    def connect(self, peer_hints: object) -> Deferred[RecordPipe]:
        """
        Race connection attempts to the peer and to the relays.

        :param peer_hints: as the peer sent them.
        :return: fires with the pipe that won; fails with the first failure if all fail, or with
            `NoConnectionError`. Cancelling it ends all attempts.
        """
        hints = parse_hints(peer_hints)
        direct = [address for address in direct_addresses(hints) if self._usable(address)]
        for address in direct:
            self._race.enter(self._dial(address, b""))
        delay = RELAY_DELAY if direct else 0.0
        request = f"please relay {self._keys.relay_token()} for side {self._side}\n".encode("ascii")
        priority: float | None = None
        for relay in relay_addresses([*self.relays, *hints]):
            if priority is not None and relay.priority != priority:
                delay += PRIORITY_DELAY
            priority = relay.priority
            self._enter_relay(delay, relay, request)
        if not self.listen:
            self._race.close()
        too_long = NoConnectionError(f"no connection within {self.limit_seconds:.0f} seconds")
        limit = self.reactor.callLater(self.limit_seconds, self._race.give_up, too_long)

        def finished(result: Any) -> Any:
            if limit.active():
                limit.cancel()
            self.close()
            return result

        return self._race.result.addBoth(finished)

    def close(self) -> None:
        """Stop listening. A pipe that has won stays open."""
        ports, self._ports = self._ports, []
        for port in ports:
            port.stopListening()

    def _enter_relay(self, delay: float, relay: AddressHint, request: bytes) -> None:
        if isinstance(relay, UrlHint) or self._usable(relay):
            self._race.enter_later(delay, lambda: self._dial(relay, request))

    def _usable(self, address: TcpHint) -> bool:
        """Whether this end can try it: Tor reaches no private network, and only Tor an onion."""
        if self.network.direct:
            return not address.onion
        try:
            return ipaddress.ip_address(address.hostname).is_global
        except ValueError:
            return True

    def _pipe(self, request: bytes, via: str) -> RecordPipe:
        return RecordPipe(self._keys, sender=self.sender, request=request, via=via)

    def _accept(self) -> RecordPipe:
        pipe = self._pipe(b"", "a direct connection from the other end")
        self._race.enter(pipe.passed)
        return pipe

    def _dial(self, address: AddressHint, request: bytes) -> Deferred[RecordPipe]:
        pipe = self._pipe(request, f"relay {address}" if request else str(address))
        connecting: Deferred[Any]
        if isinstance(address, UrlHint):
            connecting = open_stream(self.reactor, self.network, address.url, pipe)
        else:
            endpoint = self.network.endpoint(address.hostname, address.port)
            connecting = endpoint.connect(Factory.forProtocol(lambda: pipe))

        def explain(reason: Failure) -> Failure:
            return Failure(TransitError(pipe.via, reason))

        return connecting.addCallback(lambda _: pipe.passed).addErrback(explain)
