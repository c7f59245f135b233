"""
What sending and receiving have in common: the conversation through the wormhole, the verifier, and
what an application is shown of the progress. Owns no files and no connections.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred

from wormhole_client import offers
from wormhole_client.errors import WormholeError
from wormhole_client.network import Network
from wormhole_client.transit import Transit
from wormhole_client.wormhole import Wormhole

T = TypeVar("T")
S = TypeVar("S", offers.TransitSaid, offers.Offered, offers.Accepted)


class TransferError(WormholeError):
    """The transfer did not happen; the text says why."""


class PeerError(TransferError):
    """The other end gave up."""


class Progress(Protocol):
    """Somebody who watches the bytes."""

    def begin(self, total: int, way: str) -> None:
        """`total` bytes will go `way`."""

    def advance(self, count: int) -> None:
        """`count` more bytes have gone."""

    def end(self) -> None:
        """No more bytes."""


class Unwatched:
    """Nobody watches."""

    def begin(self, total: int, way: str) -> None:
        pass

    def advance(self, count: int) -> None:
        pass

    def end(self) -> None:
        pass


Confirm = Callable[[bytes], Awaitable[bool]]
"""Shows the verifier; whether the person says that it is the same on the other end."""


@attrs.define
class Talk:
    """Reads the peer's messages by what they say, in whatever order they come."""

    wormhole: Wormhole
    _kept: deque[offers.Said] = attrs.field(factory=deque)

    async def hear(self, kind: type[S]) -> S:
        """
        The peer's next word of this kind.

        :raises PeerError: it has given up instead.
        :raises ProtocolError: it talks nonsense.
        """
        while True:
            for said in list(self._kept):
                if isinstance(said, offers.Trouble):
                    raise PeerError(f"the other end says: {said.text}")
                if isinstance(said, kind):
                    self._kept.remove(said)
                    return said
            self._kept += offers.parse(await self.wormhole.get_message())

    async def verify(self, confirm: Confirm | None) -> None:
        """
        Wait for the other end to prove that it has the code.

        :raises TransferError: the person says that the verifiers differ.
        """
        verifier = await self.wormhole.get_verifier()
        if confirm is not None and not await confirm(verifier):
            self.wormhole.send_message(offers.trouble("verification rejected, abandoning transfer"))
            raise TransferError("the verifiers differ: nothing was transferred")

    async def unless_trouble(self, work: Deferred[T]) -> T:
        """
        The result of `work`, which is cancelled when the peer says that it has given up.

        :raises PeerError: it has.
        """
        trouble: list[BaseException] = []
        listening: Deferred[Any] = Deferred.fromCoroutine(self.hear(offers.Accepted))

        def stop(reason: Any) -> None:
            if not reason.check(CancelledError):
                trouble.append(reason.value)
                work.cancel()

        listening.addErrback(stop)
        try:
            return await work
        except Exception:
            if trouble:
                raise trouble[0] from None
            raise
        finally:
            listening.cancel()

    def transit(self, reactor: Any, network: Network, *, sender: bool, **options: Any) -> Transit:
        """The transit end of this transfer."""
        key = self.wormhole.derive_key(offers.TRANSIT_PURPOSE)
        return Transit(reactor, network, key, sender, **options)
