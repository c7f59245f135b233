"""
The link that goes past the process: the kernel moves the bytes from socket to socket.

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
from transit_relay.links.link import Buddy, Link, Meter
from transit_relay.links.pipe import Pipe, RefusedError
from transit_relay.links.producer import ProducerLink
from transit_relay.observer import Fallback, Observer

TURN: Final = 1 << 20
"""Bytes that one direction may move before others have their turn: less than half a millisecond."""

_FIRST: Final = 64 * 1024
"""
Bytes that may wait in the kernel for a target, at first. Twice as many each time that it has taken
them, as far as the pipe goes: the most that is moved at once, too.
"""

_LITTLE: Final = 64 * 1024
"""Who had less than this to give has most likely nothing left: the reactor knows, we need not ask."""


@implementer(IPullProducer)
class Direction:
    """The way from one buddy to the other."""

    __slots__ = (
        "_broken",
        "_input",
        "_link",
        "_meter",
        "_most",
        "_output",
        "_pipe",
        "_source",
        "_target",
        "_waiting",
    )

    def __init__(
        self,
        link: "SpliceLink",
        source: tuple[Buddy, Descriptor],
        target: tuple[Buddy, Descriptor],
        meter: Meter,
        pipe: Pipe,
    ) -> None:
        self._link = link
        self._source, self._input = source
        self._target, self._output = target
        self._meter = meter
        self._pipe = pipe
        self._most = min(_FIRST, pipe.size)
        self._waiting = False
        self._broken = False

    def start(self) -> None:
        """Begin as soon as the target's transport has sent what it has been given so far."""
        self._output.limit(self._most)
        self._input.read_with(self.read)
        self._output.attach(self)
        self._wait()

    def stop(self) -> None:
        """Leave both transports as they were, but for who reads from the source."""
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
        if self._waiting and not self._broken:
            self._waiting = False
            self._target.wire.choked = False
            self._source.wire.resume()

    def stopProducing(self) -> None:
        """The target's transport is gone; its connection hears of that, and sees to the rest."""

    def _turn(self) -> Exception | None:
        pipe, left = self._pipe, TURN
        while left > 0:
            room = self._output.room(self._most)
            if not room:
                self._wait()
                return None
            try:
                taken = pipe.fill(self._input.fileno, room)
            except BlockingIOError:
                return None
            except RefusedError:
                self._link.fall_back()
                return None
            except OSError:
                return CONNECTION_LOST
            if not taken:
                return CONNECTION_DONE
            try:
                rest = pipe.empty(self._output.fileno)
            except OSError:
                self._break()
                return None
            self._meter.add(taken)
            if rest:
                self._allow(_FIRST)
                self._output.write(rest)
                self._wait()
                return None
            if taken == room and room >= self._most // 2:
                self._allow(2 * self._most)
            if taken < _LITTLE:
                return None
            left -= taken
        return None

    def _allow(self, most: int) -> None:
        most = min(most, self._pipe.size)
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


class SpliceLink:
    """Two directions, which the kernel serves for as long as it does."""

    __slots__ = ("_ends", "_instead", "_observer", "_ways")

    def __init__(
        self,
        ends: tuple[Buddy, Meter, Buddy, Meter],
        descriptors: tuple[Descriptor, Descriptor],
        pipe: Pipe,
        observer: Observer,
    ) -> None:
        self._ends = ends
        self._observer = observer
        self._instead: Link | None = None
        first, forth, second, back = ends
        one, other = (first, descriptors[0]), (second, descriptors[1])
        self._ways = (
            Direction(self, one, other, forth, pipe),
            Direction(self, other, one, back, pipe),
        )

    def start(self) -> None:
        """Begin."""
        for way in self._ways:
            way.start()

    def fall_back(self) -> None:
        """The kernel does not serve: go on through the process, where this has come to."""
        self._observer.fell_back(Fallback.REFUSED)
        self._stop()
        self._instead = ProducerLink(*self._ends)
        self._instead.start()
        for buddy in (self._ends[0], self._ends[2]):
            buddy.wire.resume()

    def finish(self) -> None:
        """All that was taken is in the kernel's hands, or in a transport's, which sees to it."""
        if self._instead is not None:
            self._instead.finish()
            return
        self._stop()
        for buddy in (self._ends[0], self._ends[2]):
            buddy.finish()

    def abandon(self, buddy: Buddy) -> None:
        """Nothing is held here."""

    def _stop(self) -> None:
        for way in self._ways:
            way.stop()


class Splicing:
    """
    Makes the best link that there is for two buddies; a `transit_relay.links.link.LinkMaker`.

    :param pipe_bytes: what the kernel is asked for, once for all pairs.
    """

    def __init__(self, pipe_bytes: int, observer: Observer) -> None:
        self._pipe_bytes = pipe_bytes
        self._observer = observer
        self._pipe: Pipe | None = None

    def __call__(self, first: Buddy, forth: Meter, second: Buddy, back: Meter) -> Link:
        """A link for `first` and `second`."""
        one, other = first.wire.descriptor(), second.wire.descriptor()
        if one is None or other is None:
            return ProducerLink(first, forth, second, back)
        try:
            pipe = self._ready()
        except RefusedError:
            self._observer.fell_back(Fallback.NO_PIPE)
            return ProducerLink(first, forth, second, back)
        return SpliceLink((first, forth, second, back), (one, other), pipe, self._observer)

    def open(self) -> None:
        """
        Get the pipe now: later, this user may have used up what the kernel allows it.

        :raises RefusedError: there is none to be had.
        """
        self._ready()

    def close(self) -> None:
        """Give the pipe back, when the last pair is gone."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
            self._observer.pipe_memory(0)

    def _ready(self) -> Pipe:
        if self._pipe is None:
            self._pipe = Pipe.make(self._pipe_bytes)
        else:
            self._pipe.grow()
        self._observer.pipe_memory(self._pipe.size)
        return self._pipe
