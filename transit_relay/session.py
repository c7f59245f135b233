"""
The life of one connection: handshake, waiting, paired, closing, gone; and its mood.

Owns which state follows which, what ends a connection, what the peer is told then, and the mood
that is recorded for it. No I/O and no timers: the time is a parameter.

A connection ends once: the first cause counts, later ones change nothing.
"""

import enum
from typing import Final

import attrs

from transit_relay.handshake import Refusal
from transit_relay.observer import ConnectionRecord, End, Mood, PairRecord, State


class Cause(enum.Enum):
    """Why a connection is closed."""

    LEFT = enum.auto()  # its peer has gone, or will send no more: there is no half-close
    BUDDY_LEFT = enum.auto()  # its buddy is being closed, for whatever reason
    TIME_OVER = enum.auto()  # it has been for too long in the state that it is in
    SHUTDOWN = enum.auto()  # the relay stops
    REDUNDANT = enum.auto()  # another connection of its side was paired
    BAD_HANDSHAKE = enum.auto()  # sent something other than a handshake
    IMPATIENT = enum.auto()  # sent bytes before it was told ok
    NOT_BINARY = enum.auto()  # sent a WebSocket text message
    BROKEN_FRAMES = enum.auto()  # violated the WebSocket protocol
    FAILED = enum.auto()  # our own code raised an unexpected exception


_ENDED_IN: Final = {
    State.HANDSHAKE: Mood.EMPTY,
    State.WAITING: Mood.LONELY,
    State.PAIRED: Mood.HAPPY,
}
"""The mood of a connection that broke no rule and was not sent away, by how far it came."""

_MOODS: Final = {
    Cause.BUDDY_LEFT: Mood.JILTED,
    Cause.REDUNDANT: Mood.REDUNDANT,
    Cause.BAD_HANDSHAKE: Mood.ERRORY,
    Cause.IMPATIENT: Mood.IMPATIENT,
    Cause.NOT_BINARY: Mood.ERRORY,
    Cause.BROKEN_FRAMES: Mood.ERRORY,
    Cause.FAILED: Mood.ERRORY,
}

_NEXT: Final = {
    State.HANDSHAKE: {State.WAITING, State.PAIRED, State.CLOSING},
    State.WAITING: {State.PAIRED, State.CLOSING},
    State.PAIRED: {State.CLOSING},
    State.CLOSING: set[State](),
}


_TOLD: Final = {
    Cause.BAD_HANDSHAKE: Refusal.BAD_HANDSHAKE.value,
    Cause.NOT_BINARY: Refusal.BAD_HANDSHAKE.value,
    Cause.IMPATIENT: Refusal.IMPATIENT.value,
    Cause.FAILED: b"internal error\n",
}
"""What a peer is told that has not been told ok; all others are closed without a word."""


class OutOfOrderError(Exception):
    """The relay took a step that the connection's state does not allow: a fault of ours."""


@attrs.define(eq=False)
class Session:
    """What one connection has been through."""

    end: End
    started: float
    """Seconds since the epoch."""
    state: State = State.HANDSHAKE
    cause: Cause | None = None
    """Why it is being closed, once it is."""
    _mood: Mood = Mood.EMPTY
    _paired_at: float | None = None

    def wait(self) -> None:
        """Its handshake is whole, and it waits for its buddy."""
        self._go(State.WAITING)

    def pair(self, now: float) -> None:
        """It has its buddy."""
        self._go(State.PAIRED)
        self._paired_at = now

    def close(self, cause: Cause) -> bytes | None:
        """
        It is over, for `cause`.

        Returns what the peer is to be told, which may be nothing at all, or None if it has been
        over before. A peer that was told ok is told nothing: from there on the stream is its
        buddy's.
        """
        if self.state is State.CLOSING:
            return None
        reached = self.state
        self._go(State.CLOSING)
        self.cause = cause
        self._mood = _MOODS.get(cause) or _ENDED_IN[reached]
        if reached is State.PAIRED:
            return b""
        if reached is State.HANDSHAKE and cause is Cause.TIME_OVER:
            return Refusal.BAD_HANDSHAKE.value
        return _TOLD.get(cause, b"")

    def record(self, now: float, byte_count: int, pair: PairRecord | None) -> ConnectionRecord:
        """What is to be remembered of it, now that it is gone."""
        return ConnectionRecord(
            end=self.end,
            mood=self._mood,
            started=self.started,
            waiting_seconds=None if self._paired_at is None else self._paired_at - self.started,
            total_seconds=now - self.started,
            bytes=byte_count,
            pair=pair,
        )

    def _go(self, state: State) -> None:
        if state not in _NEXT[self.state]:
            raise OutOfOrderError(self.state, state)
        self.state = state
