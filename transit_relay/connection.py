"""
The connection of one peer: its transport, its session and its timer, tied together.

Owns what is done with a peer's bytes in each state, the one timer that runs at any time, and the containment
of exceptions: a fault in here ends this connection, and no other. Which connections belong together is up to
the manager, how bytes get across is up to the link.
"""

import functools
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVarTuple

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from transit_relay.handshake import Handshake, HandshakeRefusal, NeedMore, Request
from transit_relay.observer import ConnectionState, PairRecord, RelayObserver, log, notify
from transit_relay.rates import RateLimiter
from transit_relay.session import Cause, RelayLimits, Session
from transit_relay.traffic import MonthlyTraffic
from transit_relay.transport import RelayTransport

P = ParamSpec("P")
Args = TypeVarTuple("Args")

_DROPPED_OF_PAIRED: Final = 1 << 20
"""
Bytes that are read and dropped of a peer whose buddy is gone: what a peer sends before it reads the end of
its stream. One that goes on has to meet an error, as it may not read at all.
"""

_DROPPED_OF_REFUSED: Final = 16 << 20
"""Of a peer without a buddy, which is refused: it may send a whole request before it reads why."""

_DELIVERY_CHECK_SECONDS: Final = 0.1
"""Between two checks whether a peer that is no longer read has received everything: a round trip."""

_CAUSES: Final = {
    HandshakeRefusal.BAD_HANDSHAKE: Cause.BAD_HANDSHAKE,
    HandshakeRefusal.IMPATIENT: Cause.IMPATIENT,
}


class ConnectionManager(Protocol):
    """
    What a connection needs of the relay that it belongs to.

    :ivar clock: steady: timers and durations.
    :ivar day: the time of day in seconds since the epoch, for records.
    """

    clock: IReactorTime
    day: Callable[[], float]
    limits: RelayLimits
    observer: RelayObserver
    rates: RateLimiter
    traffic: MonthlyTraffic

    def handshake_completed(self, connection: "Connection", request: Request) -> None:
        """Pair `connection`, or let it wait."""

    def state_changed(
        self,
        connection: "Connection",
        before: ConnectionState | None,
        after: ConnectionState | None,
    ) -> None:
        """Report the new state of `connection`; one that closes waits no longer."""

    def remove(self, connection: "Connection") -> None:
        """Forget `connection`: its transport is gone."""


class ConnectionPair(Protocol):
    """What a connection needs of the pair that it belongs to."""

    def buddy(self, connection: "Connection") -> "Connection":
        """The other connection."""

    def release(self) -> None:
        """Relay no more, and leave both connections as they are."""

    def part(self, leaver: "Connection") -> None:
        """Close the other connection as well, unless that is done already."""

    def byte_count(self, connection: "Connection") -> int:
        """Bytes relayed from `connection` to its buddy."""

    def record(self) -> PairRecord:
        """Summarize the pair, once it has parted."""


def contained(
    method: Callable[Concatenate["Connection", P], None],
) -> Callable[Concatenate["Connection", P], None]:
    """Make an exception in `method` close its connection, and go no further."""

    @functools.wraps(method)
    def call(self: "Connection", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:
            self.handle_exception()

    return call


class Connection:
    """
    One peer, from its first byte until its transport is gone.

    A transport passes each piece of what it reads to `receive`, and never an empty one; `receive` may raise,
    and then the transport calls `handle_exception`. All other methods contain their exceptions themselves.

    :param age: seconds since it connected, to another relay that has handed it over.
    :ivar pair: set by the pair that it belongs to.
    """

    __slots__ = (
        "_deadline",
        "_droppable",
        "_gone",
        "_handshake",
        "_manager",
        "_timer",
        "pair",
        "receive",
        "session",
        "transport",
    )

    def __init__(
        self, manager: ConnectionManager, transport: RelayTransport, age: float = 0.0
    ) -> None:
        self.transport = transport
        self.session = Session(transport.kind, manager.clock.seconds() - age)
        self.receive: Callable[[bytes], None] = self._feed_handshake
        self.pair: ConnectionPair | None = None
        self._manager = manager
        self._handshake: Handshake | None = Handshake()
        self._gone = False
        self._deadline = 0.0
        self._droppable = 0
        self._timer: IDelayedCall = manager.clock.callLater(
            max(0.0, manager.limits.handshake_seconds - age), self.close, Cause.TIME_OVER
        )

    @property
    def begun(self) -> bytes:
        """What its peer has sent of a handshake that is not complete."""
        return b"" if self._handshake is None else self._handshake.begun

    @property
    def can_be_handed_over(self) -> bool:
        """Whether another relay can go on with it."""
        return (
            self.session.state is not ConnectionState.CLOSING
            and self.transport.can_be_handed_over
            and (self.pair is None or self.pair.buddy(self).transport.can_be_handed_over)
        )

    # Called by the transport.

    @contained
    def message_ended(self) -> None:
        """Note that the WebSocket message which held the latest bytes is complete."""
        if self._handshake is not None:
            self._answer(self._handshake.message_ended())

    @contained
    def peer_left(self) -> None:
        """Close the connection: the peer is gone, or sends no more. Its transport may still be there."""
        self.close(Cause.LEFT)

    @contained
    def flushed(self) -> None:
        """Wait for the peer to close its direction: it was sent everything, and told so."""
        if not self._gone:
            self._set_deadline(self._manager.limits.linger_seconds)

    @contained
    def transport_lost(self) -> None:
        """Record the connection, and forget it: the transport is gone."""
        if self._gone:
            return
        self._gone = True
        try:
            self.close(Cause.LEFT)
            self._cancel_timer()
            self._record()
        finally:
            # Last, as the relay may stop with its last connection, and the record must not come after that.
            self._manager.remove(self)

    def handle_exception(self) -> None:
        """
        Close the connection because of the exception that is being handled; for use in an `except`.

        Logs and counts the exception.
        """
        log.failure("A connection is closed because of an internal error")
        notify(self._manager.observer, self._manager.observer.internal_error)
        if self.session.state is ConnectionState.CLOSING:
            self.transport.abort()
        else:
            self.close(Cause.FAILED)

    # Called by the manager, the pair and the link.

    def wait(self, waited: float = 0.0) -> None:
        """
        Wait for the buddy: no connection with the token waits.

        :param waited: seconds that it has waited in another relay.
        """
        self._handshake = None
        self.session.wait()
        self.receive = self._receive_too_early
        seconds = max(0.0, self._manager.limits.wait_seconds - waited)
        self._set_timer(seconds, self.close, Cause.TIME_OVER)
        self._manager.state_changed(self, ConnectionState.HANDSHAKE, ConnectionState.WAITING)

    def join(self) -> None:
        """Send the peer its ok: the connection has a buddy."""
        self.rejoin(0.0)
        self.transport.write(b"ok\n")

    def rejoin(self, seconds: float) -> None:
        """The connection has had a buddy for so many seconds; the pair limits its time from here on."""
        before = self.session.state
        self._handshake = None
        self.session.pair(self._manager.clock.seconds() - seconds)
        self._cancel_timer()
        self._manager.state_changed(self, before, ConnectionState.PAIRED)

    @contained
    def release(self) -> None:
        """Forget the transport, which goes on elsewhere; nothing is recorded here."""
        if self.pair is not None:
            self.pair.release()
        self._gone = True
        self._cancel_timer()
        self._manager.state_changed(self, self.session.state, None)
        self._manager.remove(self)

    @contained
    def close(self, cause: Cause) -> None:
        """Begin to close the connection in good order, unless it is being closed already."""
        before = self.session.state
        text = self.session.close(cause)
        if text is None:
            return
        self._handshake = None
        self.receive = self._drop
        self._droppable = _DROPPED_OF_REFUSED if self.pair is None else _DROPPED_OF_PAIRED
        self._set_deadline(self._manager.limits.drain_seconds)
        self._manager.state_changed(self, before, ConnectionState.CLOSING)
        if self.pair is not None:
            self.pair.part(self)
        else:
            if text:
                self.transport.write(text)
            self.finish()

    @contained
    def finish(self) -> None:
        """Let the transport send what it holds, and end: it has been given everything for the peer."""
        if self.session.cause is not None and not self._gone:
            self.transport.finish(self.session.cause)

    def _record(self) -> None:
        """Report the connection, which is gone."""
        pair, self.pair = self.pair, None
        byte_count, pair_record = 0, None
        if pair is not None:
            pair.part(self)  # again, for one that an exception has kept together
            byte_count, pair_record = pair.byte_count(self), pair.record()
        manager = self._manager
        manager.state_changed(self, ConnectionState.CLOSING, None)
        record = self.session.record(
            manager.clock.seconds(), manager.day(), byte_count, pair_record
        )
        notify(manager.observer, manager.observer.finished, record)

    def _feed_handshake(self, data: bytes) -> None:
        if self._handshake is not None:
            self._answer(self._handshake.feed(data))

    def _answer(self, answer: Request | NeedMore | HandshakeRefusal) -> None:
        if isinstance(answer, Request):
            self._handshake = None
            self._manager.handshake_completed(self, answer)
        elif isinstance(answer, HandshakeRefusal):
            self.close(_CAUSES[answer])

    def _receive_too_early(self, _data: bytes) -> None:
        self.close(Cause.IMPATIENT)

    def _drop(self, data: bytes) -> None:
        """
        Ignore what the peer of a closing connection still sends, up to a limit.

        Beyond it the connection is reset: the peer's next write fails, whether it reads or not. But a reset
        overtakes what the peer has not received yet, so that waits for the peer's kernel to have everything,
        and meanwhile nothing is read.
        """
        within = self._droppable >= 0
        self._droppable -= len(data)
        if within and self._droppable < 0:
            self.transport.pause()
            self._close_when_delivered()

    @contained
    def _close_when_delivered(self) -> None:
        transport = self.transport
        left = self._deadline - self._manager.clock.seconds()
        if left <= 0 or transport.has_delivered() or transport.has_ended():
            transport.abort()
        else:
            self._set_timer(min(left, _DELIVERY_CHECK_SECONDS), self._close_when_delivered)

    def _set_deadline(self, seconds: float) -> None:
        """Close the connection after so many seconds, whatever its peer has received."""
        self._deadline = self._manager.clock.seconds() + seconds
        if self._droppable < 0:
            self._close_when_delivered()
        else:
            self._set_timer(seconds, self._abort)

    @contained
    def _abort(self) -> None:
        self.transport.abort()

    def _set_timer(self, seconds: float, function: Callable[[*Args], None], *args: *Args) -> None:
        self._cancel_timer()
        self._timer = self._manager.clock.callLater(seconds, function, *args)

    def _cancel_timer(self) -> None:
        if self._timer.active():
            self._timer.cancel()
