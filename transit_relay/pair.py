"""
The pair: two connections with their link, the bytes counted, and the checks of both at intervals.

Owns the end of a pair (when one connection leaves, the other is closed) and the search for pairs that are
idle or have a dead peer. The time of the latest byte is not recorded as it passes: a timer compares the
counts, so that moving bytes costs no timer.
"""

from functools import partial
from typing import Final

from transit_relay.connection import Connection, ConnectionManager
from transit_relay.link import Link, LinkFactory, Meter
from transit_relay.observer import PairRecord, notify
from transit_relay.session import Cause, HandedConnection
from transit_relay.transport import RelayTransport
from wormhole_twisted.timer import RepeatingTimer

_CHECK_SECONDS: Final = 30.0
"""Between two checks of a pair; an idle pair is found at most that much later than its time."""

_SLOWEST_PROBE_SECONDS: Final = 120.0
"""
The kernel's longest pause between two probes of a peer whose window is shut (TCP_RTO_MAX). A live peer that
does not read answers each of them, and is silent in between.
"""


class Pair:
    """
    Two buddies, from their ok until both are gone; a `transit_relay.connection.ConnectionPair`.

    :param first: the one that connected first.
    """

    __slots__ = (
        "_back",
        "_ended_at",
        "_first",
        "_forth",
        "_link",
        "_manager",
        "_moved_at",
        "_parted",
        "_second",
        "_seen",
        "_timer",
    )

    def __init__(self, manager: ConnectionManager, first: Connection, second: Connection) -> None:
        self._manager = manager
        self._first = first
        self._second = second
        forth, back = manager.rates.allowances(
            manager.limits, (first.transport.block, second.transport.block)
        )
        self._forth = Meter(partial(self._report_relayed, first.transport.block), forth)
        self._back = Meter(partial(self._report_relayed, second.transport.block), back)
        self._link: Link | None = None
        self._timer = RepeatingTimer(manager.clock, self._check_seconds(), self._check)
        self._parted = False
        self._seen = 0
        self._moved_at = self._ended_at = manager.clock.seconds()

    def start(self, make_link: LinkFactory) -> None:
        """Send both peers their ok, and begin to relay."""
        buddies = (self._first, self._second)
        for connection in buddies:
            connection.pair = self
        for connection in buddies:
            connection.join()
        self._begin(make_link)

    def resume(
        self, make_link: LinkFactory, first: HandedConnection, second: HandedConnection
    ) -> None:
        """Go on with what another relay has begun."""
        for connection, meter, handed in (
            (self._first, self._forth, first),
            (self._second, self._back, second),
        ):
            connection.pair = self
            meter.restore(handed.byte_count)
            traffic = self._manager.traffic
            if self._manager.day() - handed.age >= traffic.month_start():
                traffic.add(connection.transport.block, handed.byte_count)
            connection.rejoin(handed.paired or 0.0)
        self._begin(make_link)

    def release(self) -> None:
        """Relay no more, and leave both connections as they are: they go on elsewhere."""
        if self._parted:
            return
        self._parted = True
        self._timer.stopService()
        if self._link is not None:
            self._link.release()
        self._report()

    def buddy(self, connection: Connection) -> Connection:
        """The other connection."""
        return self._second if connection is self._first else self._first

    def part(self, leaver: Connection) -> None:
        """
        End the pair: `leaver` is being closed.

        Its buddy is sent what is left for it, and closed as well.
        """
        if self._parted:
            return
        self._parted = True
        self._ended_at = self._manager.clock.seconds()
        self._timer.stopService()
        (self._second if leaver is self._first else self._first).close(Cause.BUDDY_LEFT)
        try:
            if self._link is not None:
                self._link.finish()
            else:
                self._first.finish()
                self._second.finish()
        except Exception:
            leaver.handle_exception()
        self._report()

    def byte_count(self, connection: Connection) -> int:
        """Bytes relayed from `connection` to its buddy."""
        return (self._forth if connection is self._first else self._back).total

    def record(self) -> PairRecord:
        """Summarize the pair, once it has parted."""
        now, today = self._manager.clock.seconds(), self._manager.day()
        started = self._first.session.started
        return PairRecord(
            started=today - (now - started),
            waiting_seconds=self._second.session.started - started,
            total_seconds=self._ended_at - started,
            bytes=self._forth.total + self._back.total,
        )

    def _begin(self, make_link: LinkFactory) -> None:
        self._link = make_link(self._first, self._forth, self._second, self._back)
        observer = self._manager.observer
        notify(observer, observer.linked, self._link.kind)
        self._timer.startService()
        self._link.start()

    def _report_relayed(self, block: int, byte_count: int) -> None:
        self._manager.traffic.add(block, byte_count)
        notify(self._manager.observer, self._manager.observer.relayed, byte_count)

    def _report(self) -> None:
        self._forth.report()
        self._back.report()

    def _check_seconds(self) -> float:
        limits = self._manager.limits
        return min(_CHECK_SECONDS, limits.idle_seconds, limits.drain_seconds)

    def _check(self) -> None:
        try:
            self._report()
            self._close_if_over()
            self._timer.change_interval(self._check_seconds())
        except Exception:
            self._first.handle_exception()

    def _close_if_over(self) -> None:
        """Close the pair if it is idle; close a connection whose peer cannot be there any more."""
        still = self._seconds_still()
        if still >= self._manager.limits.idle_seconds:
            self._first.close(Cause.TIME_OVER)
            return
        if still >= self._manager.limits.drain_seconds and self._close_vanished():
            return
        for connection in (self._first, self._second):
            if self._is_dead(connection):
                connection.transport.abort()

    def _seconds_still(self) -> float:
        """How long ago a byte was last seen to move."""
        moved = self._forth.total + self._back.total
        now = self._manager.clock.seconds()
        if moved != self._seen:
            self._seen = moved
            self._moved_at = now
        return now - self._moved_at

    def _close_vanished(self) -> bool:
        """
        Close the pair if one peer is gone, and the other does not take what is left for it.

        The end of the first is not seen otherwise, as its transport is not read meanwhile. Where the relay's
        own rate is why it is not read, it will be again.

        :return: whether the pair was closed.
        """
        for leaver, stayer in ((self._first, self._second), (self._second, self._first)):
            if (
                leaver.transport.paused
                and _takes_nothing(stayer.transport)
                and leaver.transport.has_ended()
            ):
                leaver.peer_left()
                stayer.transport.abort()
                return True
        return False

    def _is_dead(self, connection: Connection) -> bool:
        """
        Whether the peer's kernel has been silent for too long to be there.

        Keepalive finds that too, but only while nothing is on its way to the peer; with bytes on their way,
        the kernel keeps trying for a quarter of an hour. A connection that is not being read is left alone:
        its peer may have left in good order, and what it sent is still to be read.
        """
        if connection.transport.paused:
            return False
        silence = connection.transport.silent_seconds()
        patience = max(self._manager.limits.dead_seconds, 2 * _SLOWEST_PROBE_SECONDS)
        return silence is not None and silence >= patience


def _takes_nothing(transport: RelayTransport) -> bool:
    """Whether it is up to the peer that it is sent nothing."""
    return transport.congested or (transport.credit is not None and not transport.credit.left)
