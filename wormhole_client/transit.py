"""
Transit: from hints of both ends to one `Pipe`. Listens where others may reach us, tries every way
that the peer told and every relay, and lets them race. Owns the listening port and the race.
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

from wormhole_client.addresses import local_addresses
from wormhole_client.hints import (
    Hint,
    RelayHint,
    TcpHint,
    UrlHint,
    direct_ways,
    parse_hints,
    relay_ways,
)
from wormhole_client.keys import TransitKeys
from wormhole_client.network import Network
from wormhole_client.pipe import Pipe
from wormhole_client.race import NobodyCame, Race
from wormhole_client.websocket import carry_stream

RELAY_DELAY: Final = 2.0  # seconds that direct ways are ahead, since a relay costs somebody money
PRIORITY_DELAY: Final = 2.0  # seconds between relays of one priority and those of the next
RACE_SECONDS: Final = 60.0  # the peer's attempts are over by then, too
SIDE_BYTES: Final = 8
DIRECT: Final = "direct-tcp-v1"
ONION: Final = "tor-tcp-v1"
RELAY: Final = "relay-v1"


class TransitFailed(Exception):
    """One way to the peer came to nothing; `reason` is what the network, or the way, said."""

    def __init__(self, via: str, reason: Failure) -> None:
        super().__init__(f"{via}: {reason.getErrorMessage()}")
        self.reason = reason


@attrs.define(eq=False)
class Transit:
    """
    One end of a transit connection.

    Tell the peer `hints()` and `abilities()`, give what it tells to `connect`.
    """

    reactor: Any
    network: Network
    key: bytes
    sender: bool
    relays: Sequence[RelayHint] = ()
    listen: bool = True
    addresses: Callable[[], Sequence[str]] = local_addresses
    patience: float = RACE_SECONDS
    _keys: TransitKeys = attrs.field(init=False)
    _race: Race[Pipe] = attrs.field(init=False)
    _ports: list[IListeningPort] = attrs.field(factory=list, init=False)
    _side: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._keys = TransitKeys(self.key)
        self._race = Race(self.reactor)
        self._side = secrets.token_hex(SIDE_BYTES)
        self.listen = self.listen and self.network.direct

    def abilities(self) -> list[dict[str, Any]]:
        """What kinds of hints this end can use, as the protocol says it."""
        kinds = [DIRECT, RELAY] if self.network.direct else [DIRECT, ONION, RELAY]
        return [{"type": kind} for kind in kinds]

    async def hints(self) -> list[dict[str, Any]]:
        """Begin to listen; fires with our hints, as the protocol says them."""
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

    def connect(self, said: object) -> Deferred[Pipe]:
        """
        Race over all ways, with `said` the peer's hints. Fires with the pipe that won; fails with
        the first failure if all fail. Cancelling stops everything.
        """
        hints = parse_hints(said)
        direct = [way for way in direct_ways(hints) if self._usable(way)]
        for way in direct:
            self._race.enter(self._dial(way, b""))
        delay = RELAY_DELAY if direct else 0.0
        request = f"please relay {self._keys.relay_token()} for side {self._side}\n".encode("ascii")
        priority: float | None = None
        for relay in relay_ways([*self.relays, *hints]):
            if priority is not None and relay.priority != priority:
                delay += PRIORITY_DELAY
            priority = relay.priority
            self._enter_relay(delay, relay, request)
        if not self.listen:
            self._race.close()
        too_long = f"no connection within {self.patience:.0f} seconds"
        limit = self.reactor.callLater(self.patience, self._race.give_up, NobodyCame(too_long))

        def finished(result: Any) -> Any:
            if limit.active():
                limit.cancel()
            self.close()
            return result

        return self._race.result.addBoth(finished)

    def close(self) -> None:
        """Listen no more. The pipe that has won stays."""
        ports, self._ports = self._ports, []
        for port in ports:
            port.stopListening()

    def _enter_relay(self, delay: float, relay: TcpHint | UrlHint, request: bytes) -> None:
        if isinstance(relay, UrlHint) or self._usable(relay):
            self._race.enter_later(delay, lambda: self._dial(relay, request))

    def _usable(self, way: TcpHint) -> bool:
        """Whether we can try it: Tor does not reach our private networks, nor we an onion."""
        if self.network.direct:
            return not way.onion
        try:
            return ipaddress.ip_address(way.hostname).is_global
        except ValueError:
            return True

    def _pipe(self, request: bytes, via: str) -> Pipe:
        return Pipe(self._keys, sender=self.sender, request=request, via=via)

    def _accept(self) -> Pipe:
        pipe = self._pipe(b"", "a direct connection from the other end")
        self._race.enter(pipe.passed)
        return pipe

    def _dial(self, way: TcpHint | UrlHint, request: bytes) -> Deferred[Pipe]:
        pipe = self._pipe(request, f"relay {way}" if request else str(way))
        connecting: Deferred[Any]
        if isinstance(way, UrlHint):
            connecting = carry_stream(self.reactor, self.network, way.url, pipe)
        else:
            endpoint = self.network.endpoint(way.hostname, way.port)
            connecting = endpoint.connect(Factory.forProtocol(lambda: pipe))

        def explain(reason: Failure) -> Failure:
            return Failure(TransitFailed(pipe.via, reason))

        return connecting.addCallback(lambda _: pipe.passed).addErrback(explain)
