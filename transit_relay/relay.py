"""
The relay: accepts connections, pairs those that belong together, and counts all of them.

Owns the set of connections and the one `Pairing`; ties the modules without I/O to the clock, the observer and
the links. Knows no sockets: adapters pass their transports to `Relay.add_connection`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, ITransport

from transit_relay.connection import Connection
from transit_relay.handshake import Request
from transit_relay.link import LinkFactory
from transit_relay.observer import ConnectionState, RelayObserver, log, notify
from transit_relay.pair import Pair
from transit_relay.pairing import Pairing
from transit_relay.rates import RateLimiter
from transit_relay.session import Cause, HandedConnection, HandedWebSocket, RelayLimits
from transit_relay.traffic import MonthlyTraffic
from transit_relay.transport import RelayTransport
from wormhole_limits.bounds import Bound, BoundObserver, contained_bounds

T = TypeVar("T")


@attrs.frozen
class ConnectionCounts:
    """How many connections are in which state."""

    handshake: int
    waiting: int
    paired: int
    closing: int


class Relay:
    """
    Joins connections that bring the same token.

    :param clock: steady; runs timers and measures durations.
    :param day: the time of day in seconds since the epoch, for records.
    :param limits: may be replaced at any time: a timer that runs keeps its time, and a pair is held to new
        limits at its next check.
    :param bounds: told of the bounds that clients meet.
    :param is_known: whether an address has used the rendezvous server lately; see `block_of`.
    :param make_link: makes what moves the bytes of a pair.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        limits: RelayLimits,
        observer: RelayObserver,
        bounds: BoundObserver,
        is_known: Callable[[int], bool],
        make_link: LinkFactory,
    ) -> None:
        self.clock = clock
        self.day = day
        self.limits = limits
        self.observer = observer
        self.bounds = contained_bounds(bounds)
        self.rates = RateLimiter(clock, self.bounds)
        self.traffic = MonthlyTraffic(day)
        self._is_known = is_known
        self._make_link = make_link
        self._pairing: Pairing[Connection] = Pairing()
        self._connections: dict[Connection, None] = {}
        self._stopping = False
        self._handing_over = False
        # Those that no other relay will go on with, once this one stops.
        self._ending: dict[Connection, None] = {}
        self._when_empty: list[Deferred[None]] = []

    @property
    def live(self) -> ConnectionCounts:
        """How many connections there are now. Counts them, which takes a millisecond for ten thousand."""
        counts = Counter(connection.session.state for connection in self._connections)
        return ConnectionCounts(**{state.value: counts[state] for state in ConnectionState})

    @property
    def ending_pairs(self) -> int:
        """How many pairs no other relay will go on with, once the relay stops."""
        return sum(each.session.state is ConnectionState.PAIRED for each in self._ending) // 2

    def add_connection(
        self, transport: RelayTransport, handed: HandedConnection | None = None
    ) -> Connection:
        """
        Serve a new peer.

        :param handed: what is known of one that another relay has handed over; `reunite` gives it its buddy.
        :return: what `transport` reports to.
        """
        connection = Connection(self, transport, 0.0 if handed is None else handed.age)
        self._connections[connection] = None
        try:
            self.state_changed(connection, None, ConnectionState.HANDSHAKE)
            if handed is not None:
                self._resume(connection, handed)
        except Exception:
            connection.handle_exception()
        if connection in self._ending:
            connection.close(Cause.SHUTDOWN)
        return connection

    def reunite(
        self, connections: Sequence[Connection | None], handed: Sequence[HandedConnection]
    ) -> None:
        """
        Make the pairs that another relay has handed over.

        :param connections: in the places that they had there; None: lost on the way.
        """
        for connection, each in zip(connections, handed, strict=True):
            if connection is None or connection.pair is not None or each.paired is None:
                continue
            place = each.buddy
            buddy = None if place is None else connections[place]
            try:
                if place is None or buddy is None:
                    connection.rejoin(each.paired)
                    connection.close(Cause.BUDDY_LEFT)
                else:
                    Pair(self, connection, buddy).resume(self._make_link, each, handed[place])
            except Exception:
                connection.handle_exception()

    def begin_handover(self) -> None:
        """Keep what another relay can go on with from ending here, until `hand_over`."""
        self._handing_over = True

    def end_handover(self) -> None:
        """Let everything end here after all: there is no other relay."""
        self._handing_over = False
        if self._stopping:
            self._ending = dict(self._connections)

    def hand_over(self, take: Callable[[ITransport], T]) -> list[tuple[T, HandedConnection]]:
        """
        Forget all connections that another relay can go on with.

        :param take: takes the socket from a transport, which is used no more; what it raises ends that one.
        :return: what it has returned for each, the first of two buddies before the second.
        """
        now = self.clock.seconds()
        moving = [each for each in self._connections if each.can_be_handed_over]
        requests = {connection: self._pairing.request_of(connection) for connection in moving}
        taken: dict[Connection, tuple[T, HandedWebSocket | None]] = {}
        for connection in moving:
            connection.release()
            transport = connection.transport
            if connection.session.state is ConnectionState.CLOSING:  # because of an exception
                transport.abort()
                continue
            try:
                frames = transport.release()
                taken[connection] = take(transport.transport), frames
            except Exception:
                log.failure("A connection is not handed over because of an internal error")
                notify(self.observer, self.observer.internal_error)
                transport.abort()
        places = {connection: place for place, connection in enumerate(taken)}
        handed = []
        for connection, (socket, frames) in taken.items():
            pair, session = connection.pair, connection.session
            described = HandedConnection(
                age=now - session.started,
                begun=connection.begun,
                request=requests[connection],
                buddy=None if pair is None else places.get(pair.buddy(connection)),
                paired=None if session.paired_at is None else now - session.paired_at,
                byte_count=0 if pair is None else pair.byte_count(connection),
                websocket=frames,
            )
            handed.append((socket, described))
        return handed

    def drain(self) -> Deferred[None]:
        """
        Let pairs go on; close all other connections in good order, and each new one.

        :return: fires when no connection is left, however long the last pair takes.
        """
        return self._stop(ConnectionState.HANDSHAKE, ConnectionState.WAITING)

    def close_all(self) -> Deferred[None]:
        """
        Close every connection in good order, and each new one.

        :return: fires when none is left, at most the limits' `drain_seconds` and `linger_seconds` later.
        """
        return self._stop(
            ConnectionState.HANDSHAKE, ConnectionState.WAITING, ConnectionState.PAIRED
        )

    def abort_all(self) -> Deferred[None]:
        """As `close_all`, but wait for no peer: what the kernel does not hold yet is dropped."""
        done = self.close_all()
        for connection in list(self._ending):
            connection.transport.abort()
        return done

    def handle_exception(self) -> None:
        """Log and count an exception before there is a connection; for use in an `except`."""
        log.failure("A peer is refused because of an internal error")
        notify(self.observer, self.observer.internal_error)

    # Called by connections.

    def handshake_completed(self, connection: Connection, request: Request) -> None:
        """Pair `connection`, or let it wait."""
        block, limits = connection.transport.block, self.limits
        if block and limits.known_only and not self._is_known(block):
            self._refuse(connection, Cause.STRANGER, Bound.RELAY_STRANGER)
            return
        if self._is_used_up(block):
            self._refuse(connection, Cause.USED_UP, Bound.RELAY_BYTES)
            return
        self._match_or_wait(connection, request)

    def state_changed(
        self, connection: Connection, before: ConnectionState | None, after: ConnectionState | None
    ) -> None:
        """Report the new state of `connection`; one that closes waits no longer."""
        if after is ConnectionState.CLOSING or after is None:
            self._pairing.remove(connection)
        if after is not None and self._stopping:
            self._note_ending(connection)
        notify(
            self.observer, self.observer.connection_state, connection.transport.kind, before, after
        )

    def remove(self, connection: Connection) -> None:
        """Forget `connection`: its transport is gone."""
        del self._connections[connection]
        self._ending.pop(connection, None)
        self._fire_if_empty()

    def _resume(self, connection: Connection, handed: HandedConnection) -> None:
        if handed.begun:
            connection.receive(handed.begun)
        elif handed.request is not None:
            self._match_or_wait(connection, handed.request, handed.age)

    def _match_or_wait(self, connection: Connection, request: Request, waited: float = 0.0) -> None:
        block, most = connection.transport.block, self.limits.waiting_per_address
        match = self._pairing.match_or_wait(connection, request, block)
        if match is None:
            if block and most is not None and self._pairing.count(block) > most:
                self._refuse(connection, Cause.TOO_MANY, Bound.RELAY_WAITING)
            else:
                connection.wait(waited)
            return
        try:
            for redundant in match.redundant:
                redundant.close(Cause.REDUNDANT)
            first, second = sorted((match.buddy, connection), key=lambda one: one.session.started)
            Pair(self, first, second).start(self._make_link)
        except Exception:
            if match.buddy.pair is None:
                match.buddy.close(Cause.FAILED)  # it waits no longer, and nothing else closes it
            raise

    def _is_used_up(self, block: int) -> bool:
        most, most_of_address = self.limits.month_bytes, self.limits.month_bytes_per_address
        return (most is not None and self.traffic.total >= most) or (
            most_of_address is not None and self.traffic.of_address(block) >= most_of_address
        )

    def _refuse(self, connection: Connection, cause: Cause, bound: Bound) -> None:
        self.bounds.bound_met(bound, connection.transport.block)
        connection.close(cause)

    def _stop(self, *states: ConnectionState) -> Deferred[None]:
        self._stopping = True
        self._ending = {
            each: None
            for each in self._connections
            if not (self._handing_over and each.can_be_handed_over)
        }
        done: Deferred[None] = Deferred()
        self._when_empty.append(done)
        for connection in list(self._ending):
            if connection.session.state in states:
                connection.close(Cause.SHUTDOWN)
        self._fire_if_empty()
        return done

    def _note_ending(self, connection: Connection) -> None:
        """Note `connection` if no other relay will go on with it."""
        if not (self._handing_over and connection.can_be_handed_over):
            self._ending[connection] = None

    def _fire_if_empty(self) -> None:
        if not self._ending:
            waiting, self._when_empty = self._when_empty, []
            for done in waiting:
                done.callback(None)
