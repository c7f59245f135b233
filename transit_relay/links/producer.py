"""
The producer link: bytes are read from one Twisted transport and written to the other.

Owns flow control by Twisted's producers: a transport with too much to send pauses the producer that is
attached to it, which is the direction that feeds it, and that stops reading from the other. So at most one
transport's buffer (64 KiB) and one read are held for a peer. Works for every transport.
"""

from typing import ClassVar

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from transit_relay.link import Buddy, Meter
from transit_relay.observer import LinkKind


@implementer(IPushProducer)
class ProducerDirection:
    """One direction, attached to its target's transport."""

    __slots__ = ("_buddy", "_credit", "_meter", "_source", "_target", "_write")

    def __init__(self, source: Buddy, target: Buddy, meter: Meter) -> None:
        self._buddy = source
        self._source = source.transport
        self._target = target.transport
        self._credit = target.transport.credit
        self._write = target.transport.write if self._credit is None else self._credit.send
        self._meter = meter

    def start(self) -> None:
        """Begin: read the source's transport, and write to the target's."""
        self._buddy.receive = self.forward
        self._target.attach(self)
        if self._credit is not None:
            self._credit.listen(self._read_granted)

    def stop(self) -> None:
        """Let the target's transport send what it holds."""
        self._target.detach()
        if self._credit is not None:
            self._credit.listen(None)
        if self._meter.allowance is not None:
            self._meter.allowance.stop()

    def forward(self, data: bytes) -> None:
        """Relay what the source's transport has read."""
        self._meter.add(len(data))
        self._write(data)
        if not self._may_read():
            self._source.pause()

    def pauseProducing(self) -> None:
        """Stop reading: the target has too much to send."""
        self._target.congested = True
        self._source.pause()

    def resumeProducing(self) -> None:
        """Read again: the target has sent everything."""
        try:
            self._target.congested = False
            if self._may_read():
                self._source.resume()
        except Exception:
            self._buddy.handle_exception()

    def stopProducing(self) -> None:
        """Do nothing: the target's connection closes the pair when its transport is gone."""

    def _may_read(self) -> bool:
        """Whether nothing is held for the target, and the rate allows bytes; if not, wait for that."""
        if self._credit is not None and self._credit.withheld_bytes:
            return False
        allowance = self._meter.allowance
        if allowance is None or allowance.room():
            return True
        allowance.wait(self._read_granted)
        return False

    def _read_granted(self) -> None:
        """Read again: the target's peer has granted bytes, or the rate allows some."""
        try:
            if not self._target.congested and self._may_read():
                self._source.resume()
        except Exception:
            self._buddy.handle_exception()


class ProducerLink:
    """Two directions, each with its own flow control; a `transit_relay.link.Link`."""

    __slots__ = ("_back", "_first", "_forth", "_second")

    kind: ClassVar = LinkKind.PRODUCER

    def __init__(self, first: Buddy, forth: Meter, second: Buddy, back: Meter) -> None:
        self._first = first
        self._second = second
        self._forth = ProducerDirection(first, second, forth)
        self._back = ProducerDirection(second, first, back)

    def start(self) -> None:
        """See `Link.start`."""
        self._forth.start()
        self._back.start()

    def release(self) -> None:
        """See `Link.release`. What was read has been written."""
        self._forth.stop()
        self._back.stop()

    def finish(self) -> None:
        """See `Link.finish`."""
        self.release()
        self._first.finish()
        self._second.finish()
