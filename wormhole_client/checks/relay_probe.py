"""
The relay probe: two clients of this process meet at a transit relay, and bytes go from one to the
other.

Owns both ends of the connection.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, gatherResults

from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.keys import KEY_SIZE
from wormhole_client.transit.hints import RelayHint
from wormhole_client.transit.record_pipe import RecordPipe
from wormhole_client.transit.transit import Transit

PAIR_SECONDS: Final = 20.0  # for a relay to join two clients


@attrs.frozen
class RelayFigures:
    """
    What one pair measured.

    :ivar seconds_to_pair: from the first connection attempt until both ends were joined.
    """

    seconds_to_pair: float
    bytes_per_second: float


async def connect_through_relay(
    target: ProbeTarget, first: RelayHint, second: RelayHint, size: int
) -> RelayFigures:
    """
    Send bytes from a client at one address of a relay to a client at another.

    :param size: in bytes.
    :raises TransitError: a client could not connect, or the relay did not join them.
    """
    reactor = target.reactor
    began = reactor.seconds()
    sending, receiving = await join_at_relay(target, first, second)
    paired = reactor.seconds()
    with sending, receiving:
        received = receiving.stream_into(_Discard(), size)
        await gather([sending.send_file(_Zeros(size)), received])
    seconds = reactor.seconds() - paired
    return RelayFigures(paired - began, size / max(seconds, 1e-6))


async def join_at_relay(
    target: ProbeTarget, first: RelayHint, second: RelayHint
) -> list[RecordPipe]:
    """
    Have a relay join two clients.

    :return: the sender's connection, and the receiver's.
    :raises TransitError: as `connect_through_relay`.
    """
    key = os.urandom(KEY_SIZE)
    ends = [
        Transit(
            target.reactor, target.network, key, sender, [relay], False, limit_seconds=PAIR_SECONDS
        )
        for sender, relay in ((True, first), (False, second))
    ]
    return await gather([end.connect([]) for end in ends])


async def gather(work: Sequence[Deferred[Any]]) -> list[Any]:
    """Wait for all results; when one fails, cancel the others and raise its failure."""
    try:
        results: list[Any] = await gatherResults(work, consumeErrors=True)
    except Exception as error:
        for each in work:
            each.cancel()
        sub_failure = getattr(error, "subFailure", None)
        if sub_failure is not None:
            raise sub_failure.value from None
        raise
    return results


@attrs.define
class _Zeros:
    """A file of zeros, without a disk."""

    left: int

    def read(self, count: int) -> bytes:
        taken = min(count, self.left)
        self.left -= taken
        return bytes(taken)


class _Discard:
    """A consumer that keeps nothing."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass
