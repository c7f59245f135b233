"""
One connection: its wire, its session and its timer, tied together.

Owns what is done with a peer's bytes in each state, the one timer that runs at any time, and the
containment of exceptions: whatever goes wrong in here ends this connection, and no other. Which
connections belong together is the host's business, how bytes get across is the link's.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, Protocol, TypeVarTuple

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from transit_relay.handshake import Handshake, NeedMore, Refusal, Request
from transit_relay.limits import Limits
from transit_relay.observer import Observer, State
from transit_relay.session import Cause, Session
from transit_relay.wire import Wire

if TYPE_CHECKING:
    from transit_relay.pair import Pair

P = ParamSpec("P")
Args = TypeVarTuple("Args")

log: Final = Logger(namespace="transit_relay")

_CAUSES: Final = {
    Refusal.BAD_HANDSHAKE: Cause.BAD_HANDSHAKE,
    Refusal.IMPATIENT: Cause.IMPATIENT,
}


class Host(Protocol):
    """What a connection needs of the relay that it belongs to."""

    clock: IReactorTime
    limits: Limits
    observer: Observer

    def arrived(self, connection: "Connection", request: Request) -> None:
        """`connection` has finished its handshake: let it wait, or pair it."""

    def withdrawn(self, connection: "Connection") -> None:
        """`connection` is being closed: it waits for nobody any more."""

    def changed(self, connection: "Connection", before: State | None, after: State | None) -> None:
        """`connection` has gone from one state to the next."""

    def gone(self, connection: "Connection") -> None:
        """Nothing is left of `connection`."""


def contained(
    method: Callable[Concatenate["Connection", P], None],
) -> Callable[Concatenate["Connection", P], None]:
    """An exception in `method` ends its connection, and goes no further."""

    def call(self: "Connection", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:
            self.failed()

    functools.update_wrapper(call, method)
    return call


class Connection:
    """
    One peer, from its first byte until its transport is gone.

    A wire hands each piece of what it reads to `receive`, and never an empty one; `receive` may
    raise, and then the wire calls `failed`. All other methods contain their exceptions themselves.
    """

    __slots__ = ("_gone", "_handshake", "_host", "_timer", "pair", "receive", "session", "wire")

    def __init__(self, host: Host, wire: Wire) -> None:
        self.wire = wire
        self.session = Session(wire.end, host.clock.seconds())
        self.receive: Callable[[bytes], None] = self._shake
        self.pair: Pair | None = None
        self._host = host
        self._handshake: Handshake | None = Handshake()
        self._gone = False
        self._timer: IDelayedCall = host.clock.callLater(
            host.limits.handshake_seconds, self.close, Cause.TIME_OVER
        )

    # What the wire tells.

    @contained
    def message_ended(self) -> None:
        """The WebSocket message that the latest bytes came in is over."""
        if self._handshake is not None:
            self._answer(self._handshake.message_ended())

    @contained
    def left(self) -> None:
        """The peer has gone, or will send no more. Its transport may still be there."""
        self.close(Cause.LEFT)

    @contained
    def flushed(self) -> None:
        """The wire has finished: the peer has only to close its own end."""
        if not self._gone:
            self._set_timer(self._host.limits.linger_seconds, self.wire.abort)

    @contained
    def lost(self) -> None:
        """The transport is gone."""
        if self._gone:
            return
        self._gone = True
        self.close(Cause.LEFT)
        self._cancel_timer()
        pair, self.pair = self.pair, None
        byte_count, pair_record = 0, None
        if pair is not None:
            pair.part(self)
            pair.lost(self)
            byte_count, pair_record = pair.byte_count(self), pair.record()
        self._host.gone(self)
        self._host.changed(self, State.CLOSING, None)
        self._host.observer.finished(
            self.session.record(self._host.clock.seconds(), byte_count, pair_record)
        )

    def failed(self) -> None:
        """To be called from an `except`: our own code failed while it dealt with this one."""
        log.failure("A connection is closed because of an internal error")
        self._host.observer.internal_error()
        if self.session.state is State.CLOSING:
            self.wire.abort()
        else:
            self.close(Cause.FAILED)

    # What the host, the pair and the link tell.

    def wait(self) -> None:
        """There is nobody with the token yet."""
        self.session.wait()
        self.receive = self._too_early
        self._set_timer(self._host.limits.wait_seconds, self.close, Cause.TIME_OVER)
        self._host.changed(self, State.HANDSHAKE, State.WAITING)

    def join(self) -> None:
        """It has a buddy: the peer is told, and from here on the pair keeps the time."""
        before = self.session.state
        self.session.pair(self._host.clock.seconds())
        self._cancel_timer()
        self.wire.write(b"ok\n")
        self._host.changed(self, before, State.PAIRED)

    @contained
    def close(self, cause: Cause) -> None:
        """Close it for `cause`, in good order, unless it is being closed already."""
        before = self.session.state
        told = self.session.close(cause)
        if told is None:
            return
        self._handshake = None
        self.receive = _drop
        self._set_timer(self._host.limits.drain_seconds, self.wire.abort)
        self._host.withdrawn(self)
        self._host.changed(self, before, State.CLOSING)
        if self.pair is not None:
            self.pair.part(self)
        else:
            if told:
                self.wire.write(told)
            self.finish()

    @contained
    def finish(self) -> None:
        """All that was on its way to this one is in its wire's hands: it can be closed."""
        if self.session.cause is not None and not self._gone:
            self.wire.finish(self.session.cause)

    # The parts.

    def _shake(self, data: bytes) -> None:
        if self._handshake is not None:
            self._answer(self._handshake.feed(data))

    def _answer(self, answer: Request | NeedMore | Refusal) -> None:
        if isinstance(answer, Request):
            self._handshake = None
            self._host.arrived(self, answer)
        elif isinstance(answer, Refusal):
            self.close(_CAUSES[answer])

    def _too_early(self, _data: bytes) -> None:
        self.close(Cause.IMPATIENT)

    def _set_timer(self, seconds: float, function: Callable[[*Args], None], *args: *Args) -> None:
        self._cancel_timer()
        self._timer = self._host.clock.callLater(seconds, function, *args)

    def _cancel_timer(self) -> None:
        if self._timer.active():
            self._timer.cancel()


def _drop(_data: bytes) -> None:
    """The connection is being closed, and nobody is there for what its peer still sends."""
