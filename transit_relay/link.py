"""
The link: what moves bytes between two buddies while they are paired.

Owns the interface between a pair and its link, and the byte counter that all links share. Moods, timers and
records belong to others.
"""

from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from transit_relay.observer import LinkKind
from transit_relay.rates import Allowance
from transit_relay.transport import RelayTransport

_BATCH: Final = 256 * 1024
"""Bytes between two reports: a few thousand calls a second at the speed of loopback."""


class Meter:
    """
    The byte counter of one direction, which reports in batches.

    :param report: takes the bytes since the report before.
    :param allowance: limits the rate of the direction; None: nothing does.
    :ivar total: bytes so far.
    """

    __slots__ = ("_report", "_reported", "allowance", "total")

    def __init__(self, report: Callable[[int], None], allowance: Allowance | None = None) -> None:
        self.allowance = allowance
        self.total = 0
        self._reported = 0
        self._report = report

    def add(self, byte_count: int) -> None:
        """Count bytes that were relayed."""
        self.total += byte_count
        if self.allowance is not None:
            self.allowance.spend(byte_count)
        if self.total - self._reported >= _BATCH:
            self.report()

    def restore(self, byte_count: int) -> None:
        """Begin with bytes that another relay has counted and reported."""
        self.total = self._reported = byte_count

    def report(self) -> None:
        """Report what has not been reported."""
        unreported = self.total - self._reported
        if unreported:
            self._reported = self.total
            self._report(unreported)


class Buddy(Protocol):
    """One connection of a pair, as its link sees it."""

    transport: RelayTransport

    receive: Callable[[bytes], None]
    """What the transport calls with the bytes that it reads. A link that wants them sets this."""

    def handle_exception(self) -> None:
        """Close the connection because of the exception that is being handled; for use in an `except`."""

    def finish(self) -> None:
        """Close the connection: its transport holds everything that it is to be sent."""


class Link(Protocol):
    """
    Moves bytes both ways between two buddies.

    A buddy whose peer does not take its bytes is `congested`, and then the other is not read: what is held
    for a peer is bounded.
    """

    kind: ClassVar[LinkKind]

    def start(self) -> None:
        """Begin. Each transport has been given the ok for its peer, and may not have sent it yet."""

    def release(self) -> None:
        """Take no more from either buddy: what was taken is in the kernel, or in a transport."""

    def finish(self) -> None:
        """
        Take no more from either buddy, and relay what was taken.

        Calls each buddy's `finish` once its transport holds everything, possibly before this returns.
        """


LinkFactory = Callable[[Buddy, Meter, Buddy, Meter], Link]
"""Makes the link of two buddies; each is followed by the meter for the bytes that it sends."""
