"""
The connection probes: steps that connect to a rendezvous server and read what it says by itself.

They own their connections and end them. They need nothing of the client's extra (no PyNaCl, no
SPAKE2), so that other programs of this suite can use them:

    target = ProbeTarget(reactor, Internet(reactor), "wss://wormhole.example/v1")
    addresses = await resolve_host(target)        # fails with DNSLookupError
    await connect_tcp(target)                     # fails with what the network reported
    certificate = await verify_certificate(target)  # fails with InvalidCertificateError, see its `fault`
    greeting = await read_welcome(target)         # fails with HandshakeError, see its `status`
    greeting.welcome, greeting.client_address, greeting.headers.get("server"), greeting.source
    answer = await http_get(target.network, target.relay_url)  # of `network.http`
    answer.status, answer.headers.get("date")

Each is a coroutine without a time limit. `Deferred.fromCoroutine(read_welcome(target))` can be
cancelled, and takes `addTimeout`; its connection is dropped then. To come as a client of another
address, give `Internet` a `source_address`, or `read_welcome` the headers of a proxy. A program
without a running reactor gives one coroutine that awaits all of them to `twisted.internet.task.react`.
"""

from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from wormhole_client.checks.certificates import ServerCertificate, check_certificate
from wormhole_client.errors import ProtocolError
from wormhole_client.machines.server_messages import WelcomeMessage, decode_message
from wormhole_client.network.endpoints import Network, WebSocketAddress
from wormhole_client.network.link import Dial, server_dial
from wormhole_client.network.websocket import WebSocketConnection, open_websocket
from wormhole_client.permission import permitted_dial


@attrs.frozen
class ProbeTarget:
    """The server that is probed, and how it is reached."""

    reactor: Any
    network: Network
    relay_url: str

    def dial(self) -> Dial:
        """Make the function that opens links to the server."""
        return permitted_dial(self.reactor, server_dial(self.reactor, self.network, self.relay_url))


@attrs.frozen
class ServerGreeting:
    """
    What a rendezvous server says to a new client.

    :ivar message: its first message.
    :ivar headers: of its answer to the WebSocket handshake, names in lower case.
    :ivar source: the address that this end connected from, before any NAT.
    """

    message: WelcomeMessage
    headers: Mapping[str, str]
    source: str

    @property
    def welcome(self) -> Mapping[str, Any]:
        """The `welcome` object: `motd`, `error`, `your-address` and others."""
        return self.message.welcome

    @property
    def client_address(self) -> str | None:
        """
        The address that the server takes this client for.

        Behind a proxy that the server does not trust, it is the proxy's. None if the server says none.
        """
        addresses = self.welcome.get("your-address")
        if not isinstance(addresses, Mapping):
            return None
        address = addresses.get("ipv4") or addresses.get("ipv6")
        return address if isinstance(address, str) else None


async def resolve_host(target: ProbeTarget) -> list[str]:
    """
    Resolve the host of the server.

    :return: its addresses, each once, in the resolver's order.
    :raises DNSLookupError: it has none.
    """
    resolution = _Resolution()
    host = WebSocketAddress.parse(target.relay_url).host
    target.reactor.nameResolver.resolveHostName(resolution, host)
    await resolution.complete
    if not resolution.found:
        await connect_tcp(target)  # fails, with Twisted's text for a name that does not exist
    return list(dict.fromkeys(resolution.found))


async def connect_tcp(target: ProbeTarget) -> None:
    """
    Open a TCP connection to the server's port and drop it.

    :raises Exception: what the network reported.
    """
    address = WebSocketAddress.parse(target.relay_url)
    endpoint = target.network.endpoint(address.host, address.port)
    connection: Any = await endpoint.connect(Factory.forProtocol(Protocol))
    connection.transport.abortConnection()


async def verify_certificate(target: ProbeTarget) -> ServerCertificate:
    """
    Verify the certificate of the server.

    As `check_certificate` does.
    """
    return await check_certificate(target.network, target.relay_url)


async def read_welcome(
    target: ProbeTarget, headers: Mapping[str, str] | None = None
) -> ServerGreeting:
    """
    Open a WebSocket connection, read the server's first message and close the connection.

    :param headers: for the HTTP request, such as a proxy's `X-Forwarded-For`.
    :raises HandshakeError: the host does not speak WebSocket there.
    :raises ProtocolError: the first message is not a `welcome`, or none came.
    :raises Exception: what the network or TLS reported.
    """
    connection: _WelcomeConnection = await open_websocket(
        target.reactor, target.network, target.relay_url, _WelcomeConnection, headers
    )
    source: str = connection.transport.getHost().host
    try:
        message = decode_message(await connection.first_message)
    finally:
        connection.abort()
    if not isinstance(message, WelcomeMessage):
        raise ProtocolError("the server's first message is not a welcome")
    return ServerGreeting(message, connection.response_headers, source)


class _WelcomeConnection(WebSocketConnection):
    def __init__(self) -> None:
        super().__init__()
        self.first_message: Deferred[bytes] = Deferred()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        if not self.first_message.called:
            self.first_message.callback(payload)

    def ended(self, reason: Failure) -> None:  # noqa: ARG002 - closed or lost, the welcome is missing
        if not self.first_message.called:
            self.first_message.errback(
                ProtocolError("the server closed the connection before its welcome")
            )


@attrs.frozen
class _Resolution:
    """The `IResolutionReceiver` of one look-up."""

    found: list[str] = attrs.field(factory=list)
    complete: Deferred[None] = attrs.field(factory=Deferred)

    def resolutionBegan(self, _: object) -> None:  # noqa: N802 - Twisted's
        pass

    def addressResolved(self, address: Any) -> None:  # noqa: N802 - Twisted's
        self.found.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802 - Twisted's
        self.complete.callback(None)
