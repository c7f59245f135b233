"""
The session of a file transfer: what sending and receiving have in common.

Owns the reading of the peer's messages, what the peer is told when this end gives up, the comparison of
verifiers, and the observation of the bytes that move. Owns no files and no connections.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall

from wormhole_client.errors import WormholeError
from wormhole_client.network.endpoints import Network
from wormhole_client.transfers import messages
from wormhole_client.transfers.archive import ArchiveError, UnsafeNameError
from wormhole_client.transit.handshake import TransitHandshakeError
from wormhole_client.transit.race import NoConnectionError
from wormhole_client.transit.record_pipe import PipeClosedError
from wormhole_client.transit.records import RecordError
from wormhole_client.transit.transit import Transit, TransitError
from wormhole_client.wormhole import Wormhole

T = TypeVar("T")
M = TypeVar("M", messages.TransitMessage, messages.OfferMessage, messages.AnswerMessage)

IDLE_SECONDS: Final = 120.0  # without a byte; networks that come back have come back by then
REASON_SECONDS: Final = 2.0  # for the reason of a peer whose connection has ended
# What may end a transfer beside WormholeError and OSError; the text of each is for users.
EXPLAINED: Final = (
    ArchiveError,
    NoConnectionError,
    RecordError,
    TransitError,
    TransitHandshakeError,
    UnsafeNameError,
)

Confirm = Callable[[bytes], Awaitable[bool]]
"""Shows the verifier to the user; returns whether it is the same on the other end."""


class TransferError(WormholeError):
    """Nothing was transferred. The text says why."""


class PeerError(TransferError):
    """The other end gave up."""


class LostConnectionError(TransferError):
    """The connection ended before the transfer."""


class StalledError(TransferError):
    """The connection is open, and nothing has moved over it for too long."""


class TransferProgress:
    """An observer of the bytes of a transfer, whose methods do nothing."""

    def begin(self, total: int, via: str) -> None:
        """
        Handle the beginning.

        :param total: in bytes.
        :param via: the address that the connection leads over, for the user.
        """

    def advance(self, count: int) -> None:
        """Handle that so many more bytes have been transferred."""

    def end(self) -> None:
        """Handle the end, of a transfer that failed too."""


@attrs.define
class TransferSession:
    """The exchange of messages with the peer of one transfer, which may come in any order."""

    wormhole: Wormhole
    reactor: Any
    _kept: deque[messages.TransferMessage] = attrs.field(factory=deque)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Run this end of the transfer, and tell the other end when this one gives up, and why.

        :raises WormholeError: nothing was transferred.
        """
        try:
            return await work
        except PeerError:
            raise
        except CancelledError:
            self._abort("the transfer was cancelled at this end")
            raise
        except WormholeError as error:
            self._abort(str(error))
            raise
        except OSError as error:  # without its file name, which is none of the other end's business
            self._abort(error.strerror or str(error))
            raise TransferError(str(error)) from error
        except EXPLAINED as error:
            self._abort(str(error))
            raise TransferError(str(error)) from error
        except Exception:
            self._abort("an unexpected error at this end")
            raise

    def _abort(self, text: str) -> None:
        with suppress(WormholeError):  # the wormhole itself may have failed
            self.wormhole.send_message(messages.encode_abort(text))

    async def receive(self, kind: type[M]) -> M:
        """
        Wait for the peer's next message of one kind; keep the others.

        :raises PeerError: the peer has given up.
        :raises ProtocolError: it has sent something that is not a message of a file transfer.
        """
        while True:
            for message in list(self._kept):
                if isinstance(message, messages.AbortMessage):
                    raise PeerError(f"the other end reports: {message.text}")
                if isinstance(message, kind):
                    self._kept.remove(message)
                    return message
            self._kept += messages.parse_message(await self.wormhole.get_message())

    async def verify(self, confirm: Confirm | None) -> None:
        """
        Wait until the other end has proved that it has the code; then let the user compare verifiers.

        :param confirm: None: the user does not compare them.
        :raises TransferError: the verifiers differ.
        """
        verifier = await self.wormhole.get_verifier()
        if confirm is not None and not await self.unless_aborted(confirm(verifier)):
            raise TransferError("verification rejected: the verifiers differ")

    async def unless_aborted(self, work: Awaitable[T]) -> T:
        """
        Wait for a result; cancel the work when the peer gives up.

        :raises PeerError: the peer has given up.
        """
        running = work if isinstance(work, Deferred) else Deferred.fromCoroutine(_wait(work))
        aborted: list[BaseException] = []
        listening: Deferred[Any] = Deferred.fromCoroutine(self.receive(messages.AnswerMessage))

        def stop(reason: Any) -> None:
            if not reason.check(CancelledError):
                aborted.append(reason.value)
                running.cancel()

        listening.addErrback(stop)
        try:
            return await running
        except LostConnectionError:
            # A peer that gives up drops the connection, too: its reason may be a moment behind.
            if not aborted:
                await listening.addTimeout(REASON_SECONDS, self.reactor)
            if aborted:
                raise aborted[0] from None
            raise
        except Exception:
            if aborted:
                raise aborted[0] from None
            raise
        finally:
            listening.cancel()

    def transit(self, network: Network, *, sender: bool, **options: Any) -> Transit:
        """Make the transit end of this transfer; the options are those of `Transit`."""
        key = self.wormhole.derive_key(messages.TRANSIT_PURPOSE)
        return Transit(self.reactor, network, key, sender, **options)


async def _wait(work: Awaitable[T]) -> T:
    return await work


@attrs.define
class TransferWatch:
    """
    The observation of the bytes of one transfer: how many have gone, and whether they still do.

    :ivar total: bytes to go.
    :ivar idle_seconds: after which `within` fails if nothing has moved.
    """

    reactor: Any
    progress: TransferProgress
    total: int
    idle_seconds: float
    gone: int = 0
    _timer: IDelayedCall | None = None

    def advance(self, count: int) -> None:
        """Count bytes that have moved."""
        self.gone += count
        self.progress.advance(count)
        if self._timer is not None and self._timer.active():
            self._timer.reset(self.idle_seconds)

    async def within(self, work: Deferred[T], seconds: float | None = None) -> T:
        """
        Wait for a result while bytes move.

        :param seconds: how long nothing may move, if not `idle_seconds`.
        :raises LostConnectionError: the connection ended.
        :raises StalledError: nothing has moved.
        """
        limit = self.idle_seconds if seconds is None else seconds
        self._timer = timer = self.reactor.callLater(limit, work.cancel)
        try:
            return await work
        except PipeClosedError as error:
            raise LostConnectionError(f"{error} after {self}") from error
        except RecordError as error:
            raise TransferError(f"{error}, after {self}") from error
        except CancelledError:
            if timer.active():
                raise
            raise StalledError(f"nothing has moved for {limit:.0f} seconds, after {self}") from None
        finally:
            if timer.active():
                timer.cancel()

    def __str__(self) -> str:
        return f"{self.gone} of {self.total} bytes"
