"""
The link that goes through the process: bytes are read from one transport and written to the other.

Owns flow control by Twisted's producers: a transport with too much to send pauses the producer that
is attached to it, which is the direction that feeds it, which stops reading from the other. So at
most one transport's buffer (64 KiB) and one read are held for a peer. Works for every wire.
"""

from typing import ClassVar

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from transit_relay.links.link import Buddy, Meter
from transit_relay.observer import LinkKind


@implementer(IPushProducer)
class Direction:
    """The way from one buddy to the other."""

    __slots__ = ("_meter", "_source", "_target", "_write")

    def __init__(self, source: Buddy, target: Buddy, meter: Meter) -> None:
        self._source = source.wire
        self._target = target.wire
        self._write = target.wire.write
        self._meter = meter

    def forward(self, data: bytes) -> None:
        """Hand on what the source has read."""
        self._meter.add(len(data))
        self._write(data)

    def pauseProducing(self) -> None:
        """The target has enough to send."""
        self._target.choked = True
        self._source.pause()

    def resumeProducing(self) -> None:
        """The target has sent all that it had."""
        self._target.choked = False
        self._source.resume()

    def stopProducing(self) -> None:
        """The target's transport is gone; its connection hears of that, and sees to the rest."""


class ProducerLink:
    """Two directions, each with its own flow control."""

    __slots__ = ("_back", "_first", "_forth", "_second")

    kind: ClassVar = LinkKind.PRODUCER

    def __init__(self, first: Buddy, forth: Meter, second: Buddy, back: Meter) -> None:
        self._first = first
        self._second = second
        self._forth = Direction(first, second, forth)
        self._back = Direction(second, first, back)

    def start(self) -> None:
        """Read from each, write to the other."""
        self._first.receive = self._forth.forward
        self._second.receive = self._back.forward
        self._second.wire.attach(self._forth)
        self._first.wire.attach(self._back)

    def finish(self) -> None:
        """All that was read has been written: each transport sees to its own rest."""
        for buddy in (self._first, self._second):
            buddy.wire.detach()
            buddy.finish()

    def abandon(self, buddy: Buddy) -> None:
        """Nothing is held here."""
