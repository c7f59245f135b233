"""The session: state and mood of a connection, in every state and for every cause."""

from typing import Final

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import LIMITS
from transit_relay.observer import (
    ConnectionKind,
    ConnectionRecord,
    ConnectionState,
    PairRecord,
    RelayMood,
)
from transit_relay.session import Cause, OutOfOrderError, Session

ERRORS: Final = (Cause.BAD_HANDSHAKE, Cause.NOT_BINARY, Cause.BROKEN_FRAMES, Cause.FAILED)


def session(state: ConnectionState) -> Session:
    """A session in `state`."""
    made = Session(ConnectionKind.TCP, started=1000.0)
    if state in {ConnectionState.WAITING, ConnectionState.PAIRED}:
        made.wait()
    if state is ConnectionState.PAIRED:
        made.pair(1010.0)
    if state is ConnectionState.CLOSING:
        made.close(Cause.LEFT)
    return made


def mood(state: ConnectionState, cause: Cause) -> RelayMood:
    closed = session(state)
    closed.close(cause)
    return closed.record(1020.0, 5020.0, 0, None).mood


class RelayLimitsTests(SynchronousTestCase):
    """`RelayLimits`."""

    def test_dead_peer(self) -> None:
        """A peer is dead when the idle time and then all probes are over."""
        limits = attrs.evolve(
            LIMITS, keepalive_idle_seconds=10, keepalive_interval_seconds=5, keepalive_count=3
        )
        self.assertEqual(limits.dead_seconds, 25)


class MoodTests(SynchronousTestCase):
    """The mood, by the cause and by the state before."""

    def test_nobodys_fault(self) -> None:
        """Leaving, running out of time and the relay's shutdown give the mood of the state before."""
        for cause in (Cause.LEFT, Cause.TIME_OVER, Cause.SHUTDOWN):
            self.assertIs(mood(ConnectionState.HANDSHAKE, cause), RelayMood.EMPTY)
            self.assertIs(mood(ConnectionState.WAITING, cause), RelayMood.LONELY)
            self.assertIs(mood(ConnectionState.PAIRED, cause), RelayMood.HAPPY)

    def test_jilted(self) -> None:
        """A connection whose buddy left is jilted."""
        self.assertIs(mood(ConnectionState.PAIRED, Cause.BUDDY_LEFT), RelayMood.JILTED)

    def test_redundant(self) -> None:
        """A connection whose side was paired on another is redundant."""
        self.assertIs(mood(ConnectionState.WAITING, Cause.REDUNDANT), RelayMood.REDUNDANT)

    def test_impatient(self) -> None:
        """Bytes before the ok are impatient, with the handshake or after it."""
        for state in (ConnectionState.HANDSHAKE, ConnectionState.WAITING):
            self.assertIs(mood(state, Cause.IMPATIENT), RelayMood.IMPATIENT)

    def test_errory(self) -> None:
        """Faults of the peer and of the relay are errors in every state."""
        for state in (ConnectionState.HANDSHAKE, ConnectionState.WAITING, ConnectionState.PAIRED):
            for cause in ERRORS:
                self.assertIs(mood(state, cause), RelayMood.ERRORY)


class WordTests(SynchronousTestCase):
    """What the peer is sent when its connection is closed."""

    def test_bad_handshake(self) -> None:
        """A peer that sent no handshake, or none in time, is told that it was a bad one."""
        for cause in (Cause.BAD_HANDSHAKE, Cause.NOT_BINARY, Cause.TIME_OVER):
            self.assertEqual(session(ConnectionState.HANDSHAKE).close(cause), b"bad handshake\n")

    def test_impatient(self) -> None:
        """A peer that did not wait for the ok is told so."""
        for state in (ConnectionState.HANDSHAKE, ConnectionState.WAITING):
            self.assertEqual(session(state).close(Cause.IMPATIENT), b"impatient\n")

    def test_internal_error(self) -> None:
        """An exception in the relay is told without details."""
        for state in (ConnectionState.HANDSHAKE, ConnectionState.WAITING):
            self.assertEqual(session(state).close(Cause.FAILED), b"internal error\n")

    def test_silence(self) -> None:
        """A peer that broke no rule is sent nothing."""
        for cause in (Cause.LEFT, Cause.TIME_OVER, Cause.SHUTDOWN, Cause.REDUNDANT):
            self.assertEqual(session(ConnectionState.WAITING).close(cause), b"")

    def test_paired(self) -> None:
        """After the ok the stream is the buddy's, and the relay adds nothing to it."""
        for cause in Cause:
            self.assertEqual(session(ConnectionState.PAIRED).close(cause), b"")


class LifeTests(SynchronousTestCase):
    """Which state follows which."""

    def test_first_cause_counts(self) -> None:
        """A connection is closed once, and its mood is that of the first cause."""
        closed = session(ConnectionState.WAITING)
        self.assertIsNotNone(closed.close(Cause.REDUNDANT))
        for cause in Cause:
            self.assertIsNone(closed.close(cause))
        self.assertIs(closed.cause, Cause.REDUNDANT)
        self.assertIs(closed.record(1020.0, 5020.0, 0, None).mood, RelayMood.REDUNDANT)

    def test_out_of_order(self) -> None:
        """A step that the state does not allow is an exception, and changes nothing."""
        for state in (ConnectionState.WAITING, ConnectionState.PAIRED, ConnectionState.CLOSING):
            one = session(state)
            with self.assertRaises(OutOfOrderError):
                one.wait()
            self.assertIs(one.state, state)
        for state in (ConnectionState.PAIRED, ConnectionState.CLOSING):
            with self.assertRaises(OutOfOrderError):
                session(state).pair(1010.0)

    def test_record(self) -> None:
        """The record says when the connection started, how long it waited and lasted, and what it sent."""
        one = session(ConnectionState.PAIRED)
        one.close(Cause.LEFT)
        pair = PairRecord(started=5000.0, waiting_seconds=9.0, total_seconds=15.0, bytes=700)
        self.assertEqual(
            one.record(1020.0, 5020.0, 500, pair),
            ConnectionRecord(
                kind=ConnectionKind.TCP,
                mood=RelayMood.HAPPY,
                started=5000.0,
                waiting_seconds=10.0,
                total_seconds=20.0,
                bytes=500,
                pair=pair,
            ),
        )

    def test_record_without_buddy(self) -> None:
        """A connection that never had a buddy has no waiting time, however long it waited."""
        one = session(ConnectionState.WAITING)
        one.close(Cause.TIME_OVER)
        self.assertIsNone(one.record(4600.0, 8600.0, 0, None).waiting_seconds)
