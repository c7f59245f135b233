"""
One direction of a splice link, from socket to socket.

Owns how much is moved at once, and what happens when the target takes no more. Before it takes bytes from
one socket it asks how many the other takes, and it takes no more than that. So a peer that does not read
leaves its buddy's bytes in the kernel's receive buffer, and neither a pipe nor memory is held for it.
"""

import socket
from typing import Final

from twisted.internet.interfaces import IPullProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from zope.interface import implementer

from transit_relay.credit import Credit
from transit_relay.descriptor import Descriptor
from transit_relay.link import Buddy, Meter
from transit_relay.links.mover import Mover
from transit_relay.links.pipe import RefusedError
from transit_relay.links.resources import LinkResources
from transit_relay.observer import Fallback

_FIRST: Final = 64 * 1024
"""
Bytes that may wait in the kernel for a target at first, and that are moved at once. Doubled each time the
target has taken that many, up to what the mover holds.
"""

_PEEKED: Final = 4096
"""Bytes of which those that need no credit are looked for."""

_LITTLE: Final = 64 * 1024
"""
Bytes below which a source most likely has no more, if the target would have taken more; the reactor says when
it has.
"""


@implementer(IPullProducer)
class Direction:
    """
    One direction; subclasses say how bytes are taken and sent on.

    :param source: whose bytes are moved.
    :param entry: the socket of `source`.
    :param target: to whom they are moved.
    :param outlet: the socket of `target`.
    :ivar opposite: the direction from `target` to `source`; the link sets it before the start.
    """

    __slots__ = (
        "_broken",
        "_credit",
        "_framing",
        "_input",
        "_meter",
        "_most",
        "_output",
        "_resources",
        "_source",
        "_stopped",
        "_target",
        "opposite",
    )

    def __init__(
        self,
        source: Buddy,
        entry: Descriptor,
        target: Buddy,
        outlet: Descriptor,
        meter: Meter,
        resources: LinkResources,
    ) -> None:
        self._source = source
        self._input = entry
        self._target = target
        self._output = outlet
        self._framing = target.transport.framing
        self._credit = target.transport.credit
        self._meter = meter
        self._resources = resources
        self.opposite: Direction | None = None
        self._most = _FIRST
        self._broken = False
        self._stopped = False

    def start(self) -> None:
        """Begin as soon as the target's transport has sent what it holds."""
        self._input.read_with(self.read)
        if self._credit is not None:
            self._credit.listen(self._read_granted)
        self._output.limit(self._most)
        self._output.attach(self)
        self._wait()

    def stop(self) -> None:
        """Let both transports read and write by themselves again."""
        self._stopped = True
        if self._credit is not None:
            self._credit.listen(None)
        if self._meter.allowance is not None:
            self._meter.allowance.stop()
        self._input.give_back(self.read)
        self._output.detach()
        self._target.transport.congested = False

    def read(self) -> Exception | None:
        """
        Move bytes: the source's socket is readable.

        Takes the place of its transport's `doRead`.

        :return: `CONNECTION_DONE` or `CONNECTION_LOST` if the source sends no more.
        """
        try:
            return self._move()
        except Exception:
            self._source.handle_exception()
            return None

    def resumeProducing(self) -> None:
        """Read again: the target's transport has sent everything, and its socket is writable."""
        self._output.clear = True
        if self._broken:
            return
        try:
            congested = self._target.transport.congested
            self._target.transport.congested = (
                False  # in any case: a WebSocket may have kept a pong
            )
            if congested:
                self._source.transport.resume()
        except Exception:
            self._source.handle_exception()

    def stopProducing(self) -> None:
        """Do nothing: the target's connection closes the pair when its transport is gone."""

    def _move(self) -> Exception | None:
        left = self._turn()
        while left > 0:
            room = self._output.room(self._most) if self._output.clear else 0
            if not room:
                self._wait()
                return None
            enough = min(room, _LITTLE)
            room = min(room, left)
            allowance = self._meter.allowance
            if allowance is not None:
                room = min(room, allowance.room())
                if not room:
                    self._source.transport.pause()
                    allowance.wait(self._read_granted)
                    return None
            try:
                if self._credit is not None:
                    room = self._within(self._credit, room)
                    if not room:
                        self._source.transport.pause()
                        return None
                taken = self._take(room)
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
            if not taken:
                return CONNECTION_DONE
            try:
                rest = self._send()
            except OSError:
                self._break()
                return None
            if rest:
                self._allow(_FIRST)
                self._output.write(rest)
            self._handle_aside()
            if self._stopped:
                return None
            if rest:
                self._wait()
                return None
            if taken == room and 2 * room >= self._most:
                self._allow(2 * self._most)
            left -= self._work(taken)
            # The rest of a turn that a read of full size leaves behind is not worth another read.
            if left < _LITTLE or taken < enough:
                return None
        return None

    def _take(self, room: int) -> int:
        """
        Take up to `room` bytes from the source's socket.

        :return: how many; 0 if the peer sends no more.
        :raises OSError: as recv(2).
        """
        raise NotImplementedError

    def _send(self) -> bytes:
        """
        Send what was taken to the target's socket, and count it.

        :return: what the socket does not take.
        :raises OSError: the target is lost.
        """
        raise NotImplementedError

    def _within(self, credit: Credit, room: int) -> int:
        """
        Limit what is taken to the target's credit. Without credit, the end of the source is still found.

        :return: bytes to take, at most `room`; 0 to take none until the target grants some.
        :raises OSError: as recv(2).
        """
        if credit.left:
            return min(room, credit.left)
        arrived = self._input.socket.recv(_PEEKED, socket.MSG_PEEK)
        return min(room, self._free(arrived)) if arrived else room

    def _free(self, arrived: bytes) -> int:  # noqa: ARG002 - for frames
        """How many of the bytes that have arrived need no credit, as they come before any for the target."""
        return 0

    def _count(self, byte_count: int) -> None:
        """Count bytes that are sent to the target."""
        self._meter.add(byte_count)
        if self._credit is not None:
            self._credit.spend(byte_count)

    def _handle_aside(self) -> None:
        """Pass on what was taken and is not for the target; that may stop this direction."""

    def _largest(self) -> int:
        """Bytes that can be moved at once, at most."""
        raise NotImplementedError

    def _turn(self) -> int:
        """
        Bytes that are moved in a turn, at most.

        How many have a turn in an iteration of the reactor is for the scheduler to say, which stands before
        the transports' reading.
        """
        raise NotImplementedError

    def _work(self, taken: int) -> int:
        """How much of a turn it was to move so many bytes: their number, or more."""
        return taken

    def _head(self, length: int) -> bytes:
        """What the target's frames need before so many bytes."""
        return b"" if self._framing is None else self._framing.header(length)

    def _allow(self, most: int) -> None:
        most = min(most, max(self._largest(), _FIRST))
        if most != self._most:
            self._most = most
            self._output.limit(most)

    def _read_granted(self) -> None:
        """Read again: the target's peer has granted bytes, or the rate allows some."""
        try:
            if not self._target.transport.congested and not self._broken:
                self._source.transport.resume()
        except Exception:
            self._source.handle_exception()

    def _wait(self) -> None:
        """Stop reading until the target's socket is writable."""
        self._target.transport.congested = True
        self._source.transport.pause()
        self._output.await_room()

    def _break(self) -> None:
        """
        Stop reading for good: the target takes nothing any more.

        Its own last bytes may still wait to be read. The other direction reads those, and then finds its end.
        If the source takes nothing any more either, neither is read, and the reactor would report no end.
        """
        self._broken = True
        self._source.transport.pause()
        if self.opposite is not None and self.opposite._broken:  # noqa: SLF001 - of the same class
            self._target.transport.abort()


class StreamDirection(Direction):
    """
    From a TCP peer: the kernel moves its bytes.

    Where the kernel refuses to, this process does, and no byte is lost or repeated.
    """

    __slots__ = ("_mover", "_taken")

    def start(self) -> None:
        """See `Direction.start`."""
        self._mover: Mover = self._resources.mover()
        super().start()

    def _take(self, room: int) -> int:
        try:
            self._taken = self._mover.fill(self._input, room)
        except RefusedError:
            self._resources.report_fallback(Fallback.REFUSED)
            self._mover = self._resources.buffer
            self._taken = self._mover.fill(self._input, room)
        return self._taken

    def _send(self) -> bytes:
        rest = self._mover.empty(self._output, self._head(self._taken))
        self._count(self._taken)
        return rest

    def _largest(self) -> int:
        return self._mover.size

    def _turn(self) -> int:
        return self._mover.turn
