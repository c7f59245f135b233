"""
The link that goes from socket to socket, past Twisted's transports and, if it can, past the process.

Owns the choice of the link for a pair: this one where both ends are sockets without anything in
between, and `producer` for everything else.
"""

from typing import ClassVar

from twisted.internet.interfaces import IReactorTime

from transit_relay.descriptor import Descriptor
from transit_relay.links.direction import Direction
from transit_relay.links.framed import FrameDirection
from transit_relay.links.link import Buddy, Link, Meter
from transit_relay.links.producer import ProducerLink
from transit_relay.links.shared import Shared
from transit_relay.links.stream import StreamDirection
from transit_relay.observer import LinkKind, Observer


class SpliceLink:
    """Two directions, each of its own kind."""

    __slots__ = ("_buddies", "_ways")

    kind: ClassVar = LinkKind.SPLICE

    def __init__(self, buddies: tuple[Buddy, Buddy], ways: tuple[Direction, Direction]) -> None:
        self._buddies = buddies
        self._ways = ways

    def start(self) -> None:
        """Begin."""
        for way in self._ways:
            way.start()

    def finish(self) -> None:
        """All that was taken is in the kernel's hands, or in a transport's, which sees to it."""
        for way in self._ways:
            way.stop()
        for buddy in self._buddies:
            buddy.finish()

    def abandon(self, buddy: Buddy) -> None:
        """Nothing is held here."""


class Splicing:
    """
    Makes the best link that there is for two buddies; a `transit_relay.links.link.LinkMaker`.

    :param pipe_bytes: of kernel memory, for all pairs together.
    """

    def __init__(self, clock: IReactorTime, pipe_bytes: int, observer: Observer) -> None:
        self._shared = Shared(clock, pipe_bytes, observer)

    def __call__(self, first: Buddy, forth: Meter, second: Buddy, back: Meter) -> Link:
        """A link for `first` and `second`."""
        one, other = first.wire.descriptor(), second.wire.descriptor()
        if one is None or other is None:
            return ProducerLink(first, forth, second, back)
        return SpliceLink(
            (first, second),
            (
                self._direction(first, one, second, other, forth),
                self._direction(second, other, first, one, back),
            ),
        )

    def open(self) -> None:
        """
        Get the pipe now: later, this user may have used up what the kernel allows it.

        :raises transit_relay.links.pipe.RefusedError: there is none to be had.
        """
        self._shared.pipe()

    def close(self) -> None:
        """Give the pipe back."""
        self._shared.close()

    def _direction(
        self, source: Buddy, entry: Descriptor, target: Buddy, outlet: Descriptor, meter: Meter
    ) -> Direction:
        framing = source.wire.framing
        if framing is None:
            return StreamDirection(source, entry, target, outlet, meter, self._shared)
        return FrameDirection(source, entry, target, outlet, meter, self._shared, framing)
