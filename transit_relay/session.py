"""
The session: the state of one connection, from its handshake until it is closed, and its mood.

Owns which state follows which, how long a connection may stay in each, what ends it, what the peer is sent
then, the mood that is recorded, and what another relay needs to go on with it. No I/O and no timers: the time
is a parameter.

A connection is closed once: the first cause counts, later ones change nothing.
"""

import enum
from typing import Final

import attrs

from transit_relay.credit import HandedCredit
from transit_relay.handshake import HandshakeRefusal, Request
from transit_relay.observer import (
    ConnectionKind,
    ConnectionRecord,
    ConnectionState,
    PairRecord,
    RelayMood,
)
from wormhole_websocket.frames import StreamPosition


@attrs.frozen
class RelayLimits:
    """How long a connection may take for each step, in seconds; and who may connect."""

    handshake_seconds: float
    """For a peer to send its whole handshake."""

    wait_seconds: float
    """For a connection to wait for its buddy."""

    idle_seconds: float
    """For a pair to exist without a byte in either direction."""

    drain_seconds: float
    """For a closing connection's peer to take what is left for it."""

    linger_seconds: float
    """
    For a peer that was sent everything, and told so, to close its own direction. What it still sends is read
    and dropped until then: the kernel resets a connection that is closed on unread bytes, and a reset
    discards what the peer has not yet received.
    """

    keepalive_idle_seconds: int
    """Without a segment from the peer before the kernel starts to probe."""

    keepalive_interval_seconds: int
    """Between two probes."""

    keepalive_count: int
    """Unanswered probes after which the kernel takes the peer for dead."""

    open_seconds: float
    """For a WebSocket's opening handshake."""

    ping_seconds: float
    """Between two WebSocket pings."""

    pong_seconds: float
    """For a WebSocket peer to be silent after a ping that it could have answered."""

    waiting_per_address: int | None
    """How many connections of one address may wait for their buddies; None: any number."""

    pair_rate: int | None
    """Bytes a second that a pair may send, both ways together; None: any number."""

    address_rate: int | None
    """Bytes a second that the clients of one address may send; None: any number."""

    total_rate: int | None
    """Bytes a second that all pairs may send; None: any number."""

    month_bytes: int | None
    """Bytes that may be relayed in a calendar month; None: any number."""

    month_bytes_per_address: int | None
    """Bytes that the clients of one address may send in a calendar month; None: any number."""

    known_only: bool
    """Whether only addresses that the rendezvous server knows may use the relay."""

    @property
    def dead_seconds(self) -> int:
        """How long a peer's kernel may be silent until the peer is taken for dead."""
        return self.keepalive_idle_seconds + self.keepalive_interval_seconds * self.keepalive_count


class Cause(enum.Enum):
    """Why a connection is closed."""

    LEFT = enum.auto()  # its peer has closed, or will send no more: there is no half-close
    BUDDY_LEFT = enum.auto()  # its buddy is being closed, for whatever cause
    TIME_OVER = enum.auto()  # it has been in its state for too long
    SHUTDOWN = enum.auto()  # the relay stops
    REDUNDANT = enum.auto()  # another connection of its side was paired
    BAD_HANDSHAKE = enum.auto()  # its peer sent something other than a handshake
    IMPATIENT = enum.auto()  # its peer sent bytes before the relay's ok
    NOT_BINARY = enum.auto()  # its peer sent a WebSocket text message
    BROKEN_FRAMES = enum.auto()  # its peer violated the WebSocket protocol
    TOO_MANY = enum.auto()  # as many connections of its address wait as may
    USED_UP = enum.auto()  # its address, or all, have relayed as many bytes this month as they may
    STRANGER = enum.auto()  # its address is not known, where only known ones may use the relay
    FAILED = enum.auto()  # the relay's own code raised an unexpected exception


_MOOD_BY_STATE: Final = {
    ConnectionState.HANDSHAKE: RelayMood.EMPTY,
    ConnectionState.WAITING: RelayMood.LONELY,
    ConnectionState.PAIRED: RelayMood.HAPPY,
}
"""The mood of a connection that is closed for a cause without a mood of its own."""

_MOOD_BY_CAUSE: Final = {
    Cause.BUDDY_LEFT: RelayMood.JILTED,
    Cause.REDUNDANT: RelayMood.REDUNDANT,
    Cause.BAD_HANDSHAKE: RelayMood.ERRORY,
    Cause.IMPATIENT: RelayMood.IMPATIENT,
    Cause.NOT_BINARY: RelayMood.ERRORY,
    Cause.BROKEN_FRAMES: RelayMood.ERRORY,
    Cause.TOO_MANY: RelayMood.ERRORY,
    Cause.USED_UP: RelayMood.ERRORY,
    Cause.STRANGER: RelayMood.ERRORY,
    Cause.FAILED: RelayMood.ERRORY,
}

_NEXT_STATES: Final = {
    ConnectionState.HANDSHAKE: {
        ConnectionState.WAITING,
        ConnectionState.PAIRED,
        ConnectionState.CLOSING,
    },
    ConnectionState.WAITING: {ConnectionState.PAIRED, ConnectionState.CLOSING},
    ConnectionState.PAIRED: {ConnectionState.CLOSING},
    ConnectionState.CLOSING: set[ConnectionState](),
}

_CLOSING_TEXTS: Final = {
    Cause.BAD_HANDSHAKE: HandshakeRefusal.BAD_HANDSHAKE.value,
    Cause.NOT_BINARY: HandshakeRefusal.BAD_HANDSHAKE.value,
    Cause.IMPATIENT: HandshakeRefusal.IMPATIENT.value,
    Cause.TOO_MANY: b"refused: too many connections of your address wait\n",
    Cause.USED_UP: b"refused: no bytes are left for this month\n",
    Cause.STRANGER: b"refused: your address has not used the rendezvous server lately\n",
    Cause.FAILED: b"internal error\n",
}
"""What a peer without a buddy is sent when its connection is closed; nothing for all other causes."""


@attrs.frozen
class HandedWebSocket:
    """
    The frames between a connection's bytes and its socket, on their way from one relay to the next.

    :ivar position: where the frames of its peer have been read to.
    :ivar credit: None where its peer takes whatever it is sent.
    """

    position: StreamPosition = attrs.field(factory=StreamPosition)
    credit: HandedCredit | None = None


@attrs.frozen
class HandedConnection:
    """
    A connection on its way from one relay to the next, which gets its socket as well.

    The two have clocks of their own: seconds are counted back from the moment of the handover.
    """

    age: float
    """Seconds since it connected."""

    begun: bytes = b""
    """What its peer has sent of the handshake, as long as that is not complete."""

    request: Request | None = None
    """What its peer has asked for, if it waits for its buddy."""

    buddy: int | None = None
    """The place of its buddy among those that are handed over together; None: it has none, or has lost it."""

    paired: float | None = None
    """Seconds since it had its buddy; None: it has had none."""

    byte_count: int = 0
    """Relayed from it to its buddy."""

    websocket: HandedWebSocket | None = None
    """Its frames; None: it has none."""


class OutOfOrderError(Exception):
    """The relay took a step that the connection's state does not allow: a fault in the relay."""


@attrs.define(eq=False)
class Session:
    """
    The state of one connection.

    :ivar started: seconds of the steady clock, as is every `now`.
    :ivar paired_at: when it had its buddy.
    :ivar cause: why the connection is being closed; None until it is.
    """

    kind: ConnectionKind
    started: float
    state: ConnectionState = ConnectionState.HANDSHAKE
    paired_at: float | None = None
    cause: Cause | None = None
    _mood: RelayMood = RelayMood.EMPTY

    def wait(self) -> None:
        """
        Wait for a buddy: the handshake is complete.

        :raises OutOfOrderError: it was complete before.
        """
        self._enter(ConnectionState.WAITING)

    def pair(self, now: float) -> None:
        """
        Begin to relay: the connection has its buddy.

        :raises OutOfOrderError: it has one, or is being closed.
        """
        self._enter(ConnectionState.PAIRED)
        self.paired_at = now

    def close(self, cause: Cause) -> bytes | None:
        """
        Begin to close the connection.

        :return: what the peer is to be sent, which may be nothing; None if the connection is being closed
            already. A peer that has a buddy is sent nothing: after the ok the stream is the buddy's.
        """
        if self.state is ConnectionState.CLOSING:
            return None
        reached = self.state
        self._enter(ConnectionState.CLOSING)
        self.cause = cause
        self._mood = _MOOD_BY_CAUSE.get(cause) or _MOOD_BY_STATE[reached]
        if reached is ConnectionState.PAIRED:
            return b""
        if reached is ConnectionState.HANDSHAKE and cause is Cause.TIME_OVER:
            return HandshakeRefusal.BAD_HANDSHAKE.value
        return _CLOSING_TEXTS.get(cause, b"")

    def record(
        self, now: float, today: float, byte_count: int, pair: PairRecord | None
    ) -> ConnectionRecord:
        """
        Summarize the connection, now that it is gone.

        :param today: the time of day, in seconds since the epoch.
        :param byte_count: relayed from this connection to its buddy.
        """
        total_seconds = now - self.started
        return ConnectionRecord(
            kind=self.kind,
            mood=self._mood,
            started=today - total_seconds,
            waiting_seconds=None if self.paired_at is None else self.paired_at - self.started,
            total_seconds=total_seconds,
            bytes=byte_count,
            pair=pair,
        )

    def _enter(self, state: ConnectionState) -> None:
        if state not in _NEXT_STATES[self.state]:
            raise OutOfOrderError(self.state, state)
        self.state = state
