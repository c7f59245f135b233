"""
Two connections that have met: their link, the bytes counted, and the look at them now and then.

Owns the end of a pair (when one leaves, the other is closed) and the search for pairs that are
idle or whose peer is dead. The time of the latest byte is not recorded when it passes: a timer
compares the counts, so that moving bytes costs no timer.
"""

from typing import Final

from twisted.internet.interfaces import IDelayedCall

from transit_relay.connection import Connection, Host
from transit_relay.links.link import Link, LinkMaker, Meter
from transit_relay.observer import PairRecord
from transit_relay.session import Cause

_LOOK_SECONDS: Final = 30.0
"""Between two looks at a pair; an idle one is found at most so much later than its time."""

_SLOWEST_PROBE_SECONDS: Final = 120.0
"""
The kernel's longest pause between two probes of a peer whose window is shut (TCP_RTO_MAX). A live
peer that does not read answers each of them, and is silent in between.
"""


class Pair:
    """Two buddies, from their ok until both are gone."""

    __slots__ = (
        "_back",
        "_first",
        "_forth",
        "_host",
        "_link",
        "_moved_at",
        "_parted_at",
        "_second",
        "_seen",
        "_timer",
    )

    def __init__(self, host: Host, first: Connection, second: Connection) -> None:
        """`first` is the one that arrived first."""
        self._host = host
        self._first = first
        self._second = second
        self._forth = Meter(host.observer.relayed)
        self._back = Meter(host.observer.relayed)
        self._link: Link | None = None
        self._timer: IDelayedCall | None = None
        self._parted_at: float | None = None
        self._seen = 0
        self._moved_at = host.clock.seconds()

    def start(self, make_link: LinkMaker) -> None:
        """Tell both, and let the bytes go."""
        members = (self._first, self._second)
        for connection in members:
            connection.pair = self
        for connection in members:
            connection.join()
        self._link = make_link(self._first, self._forth, self._second, self._back)
        self._host.observer.linked(self._link.kind)
        self._link.start()
        self._look_later()

    def part(self, leaver: Connection) -> None:
        """`leaver` is being closed: its buddy gets what is left for it, and is closed too."""
        if self._parted_at is not None:
            return
        self._parted_at = self._host.clock.seconds()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        (self._second if leaver is self._first else self._first).close(Cause.BUDDY_LEFT)
        if self._link is not None:
            self._link.finish()
        else:
            self._first.finish()
            self._second.finish()
        self._report()

    def lost(self, connection: Connection) -> None:
        """The transport of `connection` is gone."""
        if self._link is not None:
            self._link.abandon(connection)
        self._report()

    def byte_count(self, connection: Connection) -> int:
        """Handed on from `connection` to its buddy."""
        return (self._forth if connection is self._first else self._back).total

    def record(self) -> PairRecord:
        """What it was, now that it has parted."""
        started = self._first.session.started
        ended = self._host.clock.seconds() if self._parted_at is None else self._parted_at
        return PairRecord(
            started=started,
            waiting_seconds=self._second.session.started - started,
            total_seconds=ended - started,
            bytes=self._forth.total + self._back.total,
        )

    def _report(self) -> None:
        self._forth.report()
        self._back.report()

    def _look_later(self) -> None:
        limits = self._host.limits
        period = min(_LOOK_SECONDS, limits.idle_seconds, limits.drain_seconds)
        self._timer = self._host.clock.callLater(period, self._look)

    def _look(self) -> None:
        try:
            self._report()
            still = self._seconds_still()
            if still >= self._host.limits.idle_seconds:
                self._first.close(Cause.TIME_OVER)
                return
            if still >= self._host.limits.drain_seconds and self._close_vanished():
                return
            for connection in (self._first, self._second):
                if self._is_dead(connection):
                    connection.wire.abort()
            self._look_later()
        except Exception:
            self._first.failed()

    def _seconds_still(self) -> float:
        moved = self._forth.total + self._back.total
        now = self._host.clock.seconds()
        if moved != self._seen:
            self._seen = moved
            self._moved_at = now
        return now - self._moved_at

    def _close_vanished(self) -> bool:
        """
        Close the pair if one has gone, and the other does not take what is left for it.

        As nobody reads from the first meanwhile, its end is not seen otherwise.
        """
        for leaver, stayer in ((self._first, self._second), (self._second, self._first)):
            if leaver.wire.paused and leaver.wire.has_ended():
                leaver.left()
                stayer.wire.abort()
                return True
        return False

    def _is_dead(self, connection: Connection) -> bool:
        """
        Whether the peer's kernel has been silent for so long that it cannot be there any more.

        Keepalive finds that too, but only while nothing is on its way to the peer; with bytes on
        their way, the kernel goes on for a quarter of an hour. A connection that is not being read
        is left alone: its peer may have gone in good order, and what it sent is still to be read.
        """
        if connection.wire.paused:
            return False
        silence = connection.wire.silence()
        patience = max(self._host.limits.dead_seconds, 2 * _SLOWEST_PROBE_SECONDS)
        return silence is not None and silence >= patience
