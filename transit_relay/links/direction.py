"""
One way between two buddies, from socket to socket: what all such ways have in common.

Owns the turns: how much is moved at once, and what is done when the target takes no more. Before it
takes bytes from one socket it asks how many the other takes, and it takes no more than that. So a
peer that does not read leaves its buddy's bytes where they are, in the kernel's receive buffer, and
nothing of ours, no pipe and no memory, is held for it.
"""

from typing import Final

from twisted.internet.interfaces import IPullProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from zope.interface import implementer

from transit_relay.descriptor import Descriptor
from transit_relay.links.link import Buddy, Meter
from transit_relay.links.shared import Shared

_FIRST: Final = 64 * 1024
"""
Bytes that may wait in the kernel for a target, at first. Twice as many each time that it has taken
them, as far as the mover goes: the most that is moved at once, too.
"""

_LITTLE: Final = 64 * 1024
"""Who had less than this to give has most likely nothing left: the reactor knows, we need not ask."""


@implementer(IPullProducer)
class Direction:
    """The way from one buddy to the other; how bytes are taken and handed on is for others to say."""

    __slots__ = (
        "_broken",
        "_framing",
        "_input",
        "_meter",
        "_most",
        "_output",
        "_shared",
        "_source",
        "_stopped",
        "_target",
        "_waiting",
    )

    def __init__(
        self,
        source: Buddy,
        entry: Descriptor,
        target: Buddy,
        outlet: Descriptor,
        meter: Meter,
        shared: Shared,
    ) -> None:
        self._source = source
        self._input = entry
        self._target = target
        self._output = outlet
        self._framing = target.wire.framing
        self._meter = meter
        self._shared = shared
        self._most = _FIRST
        self._waiting = False
        self._broken = False
        self._stopped = False

    def start(self) -> None:
        """Begin as soon as the target's transport has sent what it has been given so far."""
        self._output.limit(self._most)
        self._output.attach(self)
        self._wait()

    def stop(self) -> None:
        """Leave both transports as they were, but for who reads from the source."""
        self._stopped = True
        self._input.give_back(self.read)
        self._output.detach()
        self._target.wire.choked = False

    def read(self) -> Exception | None:
        """Let the source have its turn; in place of its transport's `doRead`."""
        try:
            return self._turn()
        except Exception:
            self._source.failed()
            return None

    def resumeProducing(self) -> None:
        """The target has sent all that it was given, and takes more."""
        self._output.clear = True
        if self._waiting and not self._broken:
            self._waiting = False
            self._target.wire.choked = False
            self._source.wire.resume()

    def stopProducing(self) -> None:
        """The target's transport is gone; its connection hears of that, and sees to the rest."""

    def _turn(self) -> Exception | None:
        """Take, and hand on, as much as is this one's share."""
        left = self._shared.turns.share()
        while left > 0:
            room = self._output.room(self._most) if self._output.clear else 0
            if not room:
                self._wait()
                return None
            room = min(room, left)
            try:
                taken = self._take(room)
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
            if not taken:
                return CONNECTION_DONE
            try:
                rest = self._hand_on()
            except OSError:
                self._break()
                return None
            if rest:
                self._allow(_FIRST)
                self._output.write(rest)
            self._set_aside()
            if self._stopped:
                return None
            if rest:
                self._wait()
                return None
            if taken == room and 2 * room >= self._most:
                self._allow(2 * self._most)
            if taken < _LITTLE:
                return None
            left -= taken
        return None

    def _take(self, room: int) -> int:
        """
        Take up to `room` bytes from the source's socket; returns how many.

        :raises OSError: as recv(2).
        """
        raise NotImplementedError

    def _hand_on(self) -> bytes:
        """
        Hand on, and count, what was taken; returns what the target's socket does not take.

        :raises OSError: the target is lost.
        """
        raise NotImplementedError

    def _set_aside(self) -> None:
        """Let others have what was taken and is not for the target; it may be the end of this."""

    def _largest(self) -> int:
        """The most that can be moved at once."""
        raise NotImplementedError

    def _head(self, length: int) -> bytes:
        return b"" if self._framing is None else self._framing.header(length)

    def _allow(self, most: int) -> None:
        most = min(most, max(self._largest(), _FIRST))
        if most != self._most:
            self._most = most
            self._output.limit(most)

    def _wait(self) -> None:
        """Read no more until the target has room."""
        self._waiting = True
        self._target.wire.choked = True
        self._source.wire.pause()
        self._output.await_room()

    def _break(self) -> None:
        """
        The target takes nothing any more: nothing more is read for it.

        Its own last bytes may still wait to be read. Whoever reads those finds its end behind them.
        """
        self._broken = True
        self._source.wire.pause()
