"""
The splice link: bytes go from socket to socket, past Twisted's transports and, where possible, past the
process.

Owns the choice of the link for a pair: this one where both peers have sockets with nothing but frames above
them, and the producer link for all others.
"""

from typing import ClassVar

from transit_relay.descriptor import Descriptor
from transit_relay.link import Buddy, Link, Meter
from transit_relay.links.direction import Direction, StreamDirection
from transit_relay.links.framed import FrameDirection
from transit_relay.links.probe import probe
from transit_relay.links.producer import ProducerLink
from transit_relay.links.resources import LinkResources
from transit_relay.observer import LinkKind, RelayObserver


class SpliceLink:
    """Two directions, each of its own kind; a `transit_relay.link.Link`."""

    __slots__ = ("_buddies", "_directions")

    kind: ClassVar = LinkKind.SPLICE

    def __init__(
        self, buddies: tuple[Buddy, Buddy], directions: tuple[Direction, Direction]
    ) -> None:
        self._buddies = buddies
        self._directions = directions
        forth, back = directions
        forth.opposite, back.opposite = back, forth

    def start(self) -> None:
        """See `Link.start`."""
        for direction in self._directions:
            direction.start()

    def release(self) -> None:
        """See `Link.release`."""
        for direction in self._directions:
            direction.stop()

    def finish(self) -> None:
        """See `Link.finish`."""
        self.release()
        for buddy in self._buddies:
            buddy.finish()


class SpliceLinkFactory:
    """
    Makes the best link for a pair; a `transit_relay.link.LinkFactory`.

    :param pipe_bytes: kernel memory for the pipe of all pairs.
    """

    def __init__(self, pipe_bytes: int, observer: RelayObserver) -> None:
        self._resources = LinkResources(pipe_bytes, observer)

    def __call__(self, first: Buddy, forth: Meter, second: Buddy, back: Meter) -> Link:
        """Make the link of two buddies; each is followed by the meter for the bytes that it sends."""
        first_socket, second_socket = first.transport.descriptor(), second.transport.descriptor()
        if first_socket is None or second_socket is None:
            return ProducerLink(first, forth, second, back)
        return SpliceLink(
            (first, second),
            (
                self._direction(first, first_socket, second, second_socket, forth),
                self._direction(second, second_socket, first, first_socket, back),
            ),
        )

    def open(self) -> None:
        """
        Make the pipe now, and try it: later, this user may have used up what the kernel allows it.

        :raises transit_relay.links.pipe.RefusedError: the kernel gives none, or moves no bytes through it.
        """
        probe(self._resources.pipe())

    def close(self) -> None:
        """Close the pipe."""
        self._resources.close()

    def _direction(
        self, source: Buddy, entry: Descriptor, target: Buddy, outlet: Descriptor, meter: Meter
    ) -> Direction:
        framing = source.transport.framing
        if framing is None:
            return StreamDirection(source, entry, target, outlet, meter, self._resources)
        return FrameDirection(source, entry, target, outlet, meter, self._resources, framing)
