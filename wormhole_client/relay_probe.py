"""
The probe of a transit relay: two clients of this process meet there, and bytes go from one to the
other. Owns both ends of the connection.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.protocols.basic import FileSender

from wormhole_client.hints import RelayHint
from wormhole_client.keys import KEY_SIZE
from wormhole_client.probes import Probe
from wormhole_client.transit import Transit

RECORD_BYTES: Final = 64 * 1024
PAIR_SECONDS: Final = 20.0  # for two clients to be joined by a relay


async def relay(
    probe: Probe, first: RelayHint, second: RelayHint, size: int
) -> tuple[float, float]:
    """
    `size` bytes from a client at `first` to one at `second`, which are ways to one relay.

    Returns seconds until both were connected, and bytes per second.
    """
    key = os.urandom(KEY_SIZE)
    reactor = probe.reactor
    began = reactor.seconds()
    ends = [
        Transit(reactor, probe.network, key, sender, [way], listen=False, patience=PAIR_SECONDS)
        for sender, way in ((True, first), (False, second))
    ]
    sending, receiving = await _both([end.connect([]) for end in ends])
    connected = reactor.seconds()
    with sending, receiving:
        sink = _Sink()
        arrived = receiving.stream_into(sink, size)
        streamer: Any = FileSender()
        streamer.CHUNK_SIZE = RECORD_BYTES
        streamed = streamer.beginFileTransfer(_Zeros(size), sending, None)
        await _both([streamed, arrived])
    seconds = reactor.seconds() - connected
    return connected - began, size / max(seconds, 1e-6)


async def _both(work: Sequence[Deferred[Any]]) -> list[Any]:
    """All results; when one fails the others are cancelled, and the first failure is raised."""
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
    """A file of zeros, without the file."""

    left: int

    def read(self, count: int) -> bytes:
        taken = min(count, self.left)
        self.left -= taken
        return bytes(taken)


class _Sink:
    """Takes bytes and forgets them."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass
