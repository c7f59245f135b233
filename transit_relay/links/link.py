"""
What a link is: the thing that moves bytes between two buddies while they are paired.

Owns the interface between a pair and its link, and the counting that all links share. Which moods,
timers or records follow from what a link does is none of its business.
"""

from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from transit_relay.observer import LinkKind
from transit_relay.wire import Wire

_BATCH: Final = 256 * 1024
"""Bytes between two reports: a few thousand calls a second at the speed of loopback."""


class Meter:
    """Counts the bytes of one direction, and reports them in batches."""

    __slots__ = ("_report", "_reported", "total")

    def __init__(self, report: Callable[[int], None]) -> None:
        self.total = 0
        self._reported = 0
        self._report = report

    def add(self, byte_count: int) -> None:
        """So many more were handed on."""
        self.total += byte_count
        if self.total - self._reported >= _BATCH:
            self.report()

    def report(self) -> None:
        """Report what has not been reported."""
        news = self.total - self._reported
        if news:
            self._reported = self.total
            self._report(news)


class Buddy(Protocol):
    """One connection of a pair, as its link sees it."""

    wire: Wire

    receive: Callable[[bytes], None]
    """What the wire does with the bytes that it reads. A link that wants them sets this."""

    def left(self) -> None:
        """A link that reads by itself has found that the peer has gone, or will send no more."""

    def failed(self) -> None:
        """To be called from an `except`: our own code failed while it dealt with this one."""

    def finish(self) -> None:
        """All that was on its way to this one is in its wire's hands: it can be closed."""


class Link(Protocol):
    """
    Moves bytes both ways between two buddies.

    A buddy whose peer does not take its bytes is `choked`, and then the other is not read: what is
    held for a peer is bounded.
    """

    kind: ClassVar[LinkKind]
    """What to call it."""

    def start(self) -> None:
        """Begin. Each peer has been told ok, in what its wire may not have sent yet."""

    def finish(self) -> None:
        """
        Take no more from either buddy, and hand on what has been taken.

        Each buddy's `finish` is called once nothing is on its way to it any more, which may be
        before this returns.
        """

    def abandon(self, buddy: Buddy) -> None:
        """The buddy's wire is gone: drop what is on its way to it. Comes after `finish`."""


LinkMaker = Callable[[Buddy, Meter, Buddy, Meter], Link]
"""Makes the link of two buddies; each is followed by the meter for the bytes that it sends."""
