"""
The exchange probes: steps in which whole clients use a rendezvous server.

They own their wormholes and close them; the check decides what to make of the results.
"""

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, gatherResults

from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.errors import ProtocolError, WormholeMood
from wormhole_client.network.link import Dial, LinkOwner, ServerLink
from wormhole_client.wormhole import Wormhole, begin, new_state

APPID: Final = "wormhole-client/check"
CLOSE_SECONDS: Final = 5.0  # for a server that no longer answers


async def exchange_messages(target: ProbeTarget) -> None:
    """
    Let two clients meet, send each other a message, and close.

    :raises WormholeError: one of them failed.
    """
    dial = target.dial()
    await _exchange(_wormhole(target, dial), _wormhole(target, dial), lambda: None)


async def reconnect_in_exchange(target: ProbeTarget) -> None:
    """
    As `exchange_messages`; one client loses its connection between the key and the messages.

    :raises WormholeError: one of them failed.
    """
    dial = target.dial()
    links: list[ServerLink] = []

    def keep(link: ServerLink) -> ServerLink:
        links.append(link)
        return link

    def disconnect() -> None:
        links[-1].close()

    ours = _wormhole(target, lambda owner: dial(owner).addCallback(keep))
    await _exchange(ours, _wormhole(target, dial), disconnect)


class IdleClient:
    """A client that connects, reads the welcome, and then does nothing."""

    def __init__(self, target: ProbeTarget) -> None:
        self._dial = target.dial()
        self._dialed = 0
        self._wormhole = _wormhole(target, self._count_and_dial)

    async def connect(self) -> None:
        """
        Wait for the welcome.

        :raises WormholeError: none came.
        """
        await self._wormhole.get_welcome()

    @property
    def lost(self) -> bool:
        """Whether the client has had to connect more than once."""
        return self._dialed > 1

    def close(self) -> Deferred[WormholeMood]:
        """Close the wormhole, within a few seconds even if the server no longer answers."""
        return self._wormhole.close(CLOSE_SECONDS)

    def _count_and_dial(self, owner: LinkOwner) -> Deferred[ServerLink]:
        self._dialed += 1
        return self._dial(owner)


def _wormhole(target: ProbeTarget, dial: Dial) -> Wormhole:
    state = new_state(APPID, target.relay_url)
    return Wormhole(*begin(state, target.reactor, dial=dial))


async def _exchange(ours: Wormhole, theirs: Wormhole, interrupt: Callable[[], None]) -> None:
    try:
        ours.allocate_code()
        theirs.set_code(await ours.get_code())
        if await ours.get_verifier() != await theirs.get_verifier():
            raise ProtocolError("the two ends have different keys")
        interrupt()
        for sender, receiver, text in ((ours, theirs, b"marco"), (theirs, ours, b"polo")):
            sender.send_message(text)
            if await receiver.get_message() != text:
                raise ProtocolError("a message arrived changed")
    finally:
        moods: list[WormholeMood] = await gatherResults(
            [wormhole.close(CLOSE_SECONDS) for wormhole in (ours, theirs)]
        )
    for mood in moods:
        if mood is not WormholeMood.HAPPY:
            raise ProtocolError(f"a client closed in the mood {mood.value}")
