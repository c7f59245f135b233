"""
The single steps that prove a server, each a coroutine that returns what it found or raises why it
failed. Own their connections and end them; what to make of the results is the check's affair.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from wormhole_client.connection import Dial, Link, LinkOwner
from wormhole_client.errors import Mood, ProtocolError
from wormhole_client.network import Network, WebSocketAddress
from wormhole_client.websocket import rendezvous_dial
from wormhole_client.wormhole import Wormhole, begin, new_memory

APPID: Final = "wormhole-client/check"
GOODBYE_SECONDS: Final = 5.0


@attrs.frozen
class Probe:
    """Where the server is said to be."""

    reactor: Any
    network: Network
    relay_url: str


@implementer(IHandshakeListener)
class _Knock(Protocol):
    """Connects, and tells when TLS has come about."""

    def __init__(self) -> None:
        self.secured: Deferred[None] = Deferred()

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's
        self.secured.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.secured.called:
            self.secured.errback(reason)


async def resolve(probe: Probe) -> str:
    """The addresses of the host."""
    address = WebSocketAddress.parse(probe.relay_url)
    found: list[str] = []
    done: Deferred[None] = Deferred()
    probe.reactor.nameResolver.resolveHostName(_Resolution(found, done), address.host)
    await done
    if not found:
        # The endpoint knows best how to say that a name does not exist.
        await _knock(probe, secure=False)
    return ", ".join(dict.fromkeys(found))


@attrs.frozen
class _Resolution:
    found: list[str]
    done: Deferred[None]

    def resolutionBegan(self, _: object) -> None:  # noqa: N802 - Twisted's
        pass

    def addressResolved(self, address: Any) -> None:  # noqa: N802 - Twisted's
        self.found.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802 - Twisted's
        self.done.callback(None)


async def tcp(probe: Probe) -> str:
    """A TCP connection to the rendezvous port."""
    await _knock(probe, secure=False)
    return ""


async def tls(probe: Probe) -> str:
    """A TLS connection to the rendezvous port, its certificate trusted and for this name."""
    await _knock(probe, secure=True)
    return ""


async def _knock(probe: Probe, *, secure: bool) -> None:
    address = WebSocketAddress.parse(probe.relay_url)
    endpoint = (
        address.endpoint(probe.network)
        if secure
        else probe.network.endpoint(address.host, address.port)
    )
    knock = _Knock()
    await endpoint.connect(Factory.forProtocol(lambda: knock))
    transport: Any = knock.transport
    try:
        if secure:
            await knock.secured
    finally:
        knock.secured.addErrback(lambda _: None)
        transport.abortConnection()


async def welcome(probe: Probe) -> str:
    """The WebSocket upgrade and the server's first words."""
    wormhole = _wormhole(probe)
    try:
        said = await wormhole.get_welcome()
    finally:
        await wormhole.close(GOODBYE_SECONDS)
    motd, version, address = said.get("motd"), said.get("current_cli_version"), _seen_as(said)
    parts = [
        f"motd {motd!r}" if motd else "no motd",
        f"client version {version}" if version else "",
        f"seen as {address}" if address else "",
    ]
    return ", ".join(part for part in parts if part)


def _seen_as(welcome: Mapping[str, Any]) -> str | None:
    """Where the server says that we are: behind a proxy that it does not trust, that is the proxy."""
    said = welcome.get("your-address")
    if not isinstance(said, Mapping):
        return None
    address = said.get("ipv4") or said.get("ipv6")
    return ascii(address)[1:-1] if isinstance(address, str) else None


async def exchange(probe: Probe) -> str:
    """Two clients meet, talk both ways and close happily."""
    ours, theirs = _wormhole(probe), _wormhole(probe)
    try:
        await _meet(ours, theirs)
        await _talk(ours, theirs)
    finally:
        moods = await _part(ours, theirs)
    _happy(moods)
    return ""


async def reconnect(probe: Probe) -> str:
    """The same, and one of them loses its connection half-way."""
    cutter = _Cutter(rendezvous_dial(probe.reactor, probe.network, probe.relay_url))
    ours, theirs = _wormhole(probe, cutter.dial), _wormhole(probe)
    try:
        await _meet(ours, theirs)
        cutter.cut()
        await _talk(ours, theirs)
    finally:
        moods = await _part(ours, theirs)
    _happy(moods)
    return ""


class Idler:
    """A client that connects, is welcomed, and then does nothing."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._connects = 0
        self._wormhole: Wormhole | None = None

    async def connect(self) -> None:
        probe = self._probe
        dial = rendezvous_dial(probe.reactor, probe.network, probe.relay_url)

        def counted(owner: LinkOwner) -> Deferred[Link]:
            self._connects += 1
            return dial(owner)

        self._wormhole = _wormhole(probe, counted)
        await self._wormhole.get_welcome()

    @property
    def lost(self) -> bool:
        """Whether it has had to connect more than once."""
        return self._connects > 1

    async def _close(self) -> None:
        if self._wormhole is not None:
            await self._wormhole.close(GOODBYE_SECONDS)

    def close(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())


def _wormhole(probe: Probe, dial: Dial | None = None) -> Wormhole:
    memory = new_memory(APPID, probe.relay_url)
    return Wormhole(*begin(memory, probe.reactor, network=probe.network, dial=dial))


async def _meet(ours: Wormhole, theirs: Wormhole) -> None:
    ours.allocate_code()
    theirs.set_code(await ours.get_code())
    if await ours.get_verifier() != await theirs.get_verifier():
        raise ProtocolError("the two ends have different keys")


async def _talk(ours: Wormhole, theirs: Wormhole) -> None:
    for speaker, listener, text in ((ours, theirs, b"marco"), (theirs, ours, b"polo")):
        speaker.send_message(text)
        if await listener.get_message() != text:
            raise ProtocolError("a message arrived changed")


async def _part(*wormholes: Wormhole) -> list[Mood]:
    closing = [wormhole.close(GOODBYE_SECONDS) for wormhole in wormholes]
    moods: list[Mood] = await gatherResults(closing)
    return moods


def _happy(moods: list[Mood]) -> None:
    for mood in moods:
        if mood is not Mood.HAPPY:
            raise ProtocolError(f"a client closed in the mood {mood.value}")


@attrs.define
class _Cutter:
    """Dials, and cuts what it has dialed."""

    _dial: Dial
    _link: Link | None = None

    def dial(self, owner: LinkOwner) -> Deferred[Link]:
        return self._dial(owner).addCallback(self._opened)

    def _opened(self, link: Link) -> Link:
        self._link = link
        return link

    def cut(self) -> None:
        if self._link is not None:
            self._link.close()
