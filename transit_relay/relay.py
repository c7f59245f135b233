"""
The relay: connections come in, those that belong together are paired, and all are counted.

Owns the set of connections and the one `Pairing`; ties the pure parts to the clock, the observer
and the links. Knows no sockets: adapters bring wires to `Relay.connected`.
"""

from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from transit_relay.connection import Connection, log
from transit_relay.handshake import Request
from transit_relay.limits import Limits
from transit_relay.links.link import LinkMaker
from transit_relay.links.producer import ProducerLink
from transit_relay.observer import Observer, Silent, State
from transit_relay.pair import Pair
from transit_relay.pairing import Pairing
from transit_relay.session import Cause
from transit_relay.wire import Wire

__all__ = ["Limits", "Live", "Relay"]

_DEFAULTS: Final = Limits()


@attrs.frozen
class Live:
    """How many connections are in which state."""

    handshake: int
    waiting: int
    paired: int
    closing: int


class Relay:
    """
    Joins connections that bring the same token.

    `clock` is the only time there is: seconds since the epoch, and timers.

    `limits` may be replaced at any time. They are looked at when a time begins, or is over: a time
    that runs already ends as it began, and a pair is held to new ones at the next look at it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits = _DEFAULTS,
        observer: Observer | None = None,
        make_link: LinkMaker = ProducerLink,
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.observer: Observer = Silent() if observer is None else observer
        self._make_link = make_link
        self._pairing: Pairing[Connection] = Pairing()
        self._connections: dict[Connection, None] = {}
        self._counts = dict.fromkeys(State, 0)
        self._stopping = False
        self._when_empty: list[Deferred[None]] = []

    @property
    def live(self) -> Live:
        """How many connections there are now."""
        return Live(**{state.value: count for state, count in self._counts.items()})

    def connected(self, wire: Wire) -> Connection:
        """A peer has come on `wire`, which tells the connection that it gets all that happens."""
        connection = Connection(self, wire)
        self._connections[connection] = None
        try:
            self.changed(connection, None, State.HANDSHAKE)
        except Exception:
            connection.failed()
        if self._stopping:
            connection.close(Cause.SHUTDOWN)
        return connection

    def drain(self) -> Deferred[None]:
        """
        Let pairs go on, and close all others in good order, and every one that still comes.

        Fires when no connection is left, however long the last pair takes.
        """
        return self._stop(State.HANDSHAKE, State.WAITING)

    def close_all(self) -> Deferred[None]:
        """
        Close every connection in good order, and every one that still comes, at once.

        Fires when none is left, which is at most `Limits.drain_seconds` and
        `Limits.linger_seconds` later.
        """
        return self._stop(State.HANDSHAKE, State.WAITING, State.PAIRED)

    def abort_all(self) -> Deferred[None]:
        """As `close_all`, but wait for no peer: what is still on its way is dropped."""
        done = self.close_all()
        for connection in list(self._connections):
            connection.wire.abort()
        return done

    def failed(self) -> None:
        """To be called from an `except`: our own code failed for a peer not yet connected."""
        log.failure("A peer is turned away because of an internal error")
        self.observer.internal_error()

    # What connections tell.

    def arrived(self, connection: Connection, request: Request) -> None:
        """`connection` has finished its handshake: it waits, or it is paired."""
        match = self._pairing.arrive(connection, request)
        if match is None:
            connection.wait()
            return
        for redundant in match.redundant:
            redundant.close(Cause.REDUNDANT)
        first, second = sorted((match.buddy, connection), key=lambda one: one.session.started)
        Pair(self, first, second).start(self._make_link)

    def withdrawn(self, connection: Connection) -> None:
        """`connection` waits no more."""
        self._pairing.leave(connection)

    def changed(self, connection: Connection, before: State | None, after: State | None) -> None:
        """Count `connection` in its new state."""
        if before is not None:
            self._counts[before] -= 1
        if after is not None:
            self._counts[after] += 1
        self.observer.connection_state(connection.wire.end, before, after)

    def gone(self, connection: Connection) -> None:
        """Forget `connection`."""
        del self._connections[connection]
        self._tell_if_empty()

    def _stop(self, *states: State) -> Deferred[None]:
        self._stopping = True
        done: Deferred[None] = Deferred()
        self._when_empty.append(done)
        for connection in list(self._connections):
            if connection.session.state in states:
                connection.close(Cause.SHUTDOWN)
        self._tell_if_empty()
        return done

    def _tell_if_empty(self) -> None:
        if not self._connections:
            waiting, self._when_empty = self._when_empty, []
            for done in waiting:
                done.callback(None)
