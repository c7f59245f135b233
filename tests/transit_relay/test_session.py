"""The life of a connection, and its mood, in every state and for every cause."""

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from transit_relay.observer import ConnectionRecord, End, Mood, PairRecord, State
from transit_relay.session import Cause, OutOfOrderError, Session

ERRORS: Final = (Cause.BAD_HANDSHAKE, Cause.NOT_BINARY, Cause.BROKEN_FRAMES, Cause.FAILED)


def session(state: State) -> Session:
    """One that has come as far as `state`."""
    made = Session(End.TCP, started=1000.0)
    if state in {State.WAITING, State.PAIRED}:
        made.wait()
    if state is State.PAIRED:
        made.pair(1010.0)
    if state is State.CLOSING:
        made.close(Cause.LEFT)
    return made


def mood(state: State, cause: Cause) -> Mood:
    closed = session(state)
    closed.close(cause)
    return closed.record(1020.0, 0, None).mood


class MoodTests(SynchronousTestCase):
    """How a connection ended, by why it was closed."""

    def test_nobodys_fault(self) -> None:
        """Leaving, running out of time and our shutdown count by how far the connection came."""
        for cause in (Cause.LEFT, Cause.TIME_OVER, Cause.SHUTDOWN):
            self.assertIs(mood(State.HANDSHAKE, cause), Mood.EMPTY)
            self.assertIs(mood(State.WAITING, cause), Mood.LONELY)
            self.assertIs(mood(State.PAIRED, cause), Mood.HAPPY)

    def test_jilted(self) -> None:
        """A connection whose buddy left is jilted."""
        self.assertIs(mood(State.PAIRED, Cause.BUDDY_LEFT), Mood.JILTED)

    def test_redundant(self) -> None:
        """A connection whose side was paired on another is redundant."""
        self.assertIs(mood(State.WAITING, Cause.REDUNDANT), Mood.REDUNDANT)

    def test_impatient(self) -> None:
        """Bytes before the ok are impatience, with the handshake or after it."""
        for state in (State.HANDSHAKE, State.WAITING):
            self.assertIs(mood(state, Cause.IMPATIENT), Mood.IMPATIENT)

    def test_errory(self) -> None:
        """Whatever is broken, by the peer or by us, is an error in every state."""
        for state in (State.HANDSHAKE, State.WAITING, State.PAIRED):
            for cause in ERRORS:
                self.assertIs(mood(state, cause), Mood.ERRORY)


class WordTests(SynchronousTestCase):
    """What the peer is told when its connection is closed."""

    def test_bad_handshake(self) -> None:
        """Who sent no handshake, or none in time, is told that it was a bad one."""
        for cause in (Cause.BAD_HANDSHAKE, Cause.NOT_BINARY, Cause.TIME_OVER):
            self.assertEqual(session(State.HANDSHAKE).close(cause), b"bad handshake\n")

    def test_impatient(self) -> None:
        """Who did not wait for the ok is told so."""
        for state in (State.HANDSHAKE, State.WAITING):
            self.assertEqual(session(state).close(Cause.IMPATIENT), b"impatient\n")

    def test_internal_error(self) -> None:
        """Our own failure is named, without detail."""
        for state in (State.HANDSHAKE, State.WAITING):
            self.assertEqual(session(state).close(Cause.FAILED), b"internal error\n")

    def test_silence(self) -> None:
        """Who has done nothing wrong is told nothing."""
        for cause in (Cause.LEFT, Cause.TIME_OVER, Cause.SHUTDOWN, Cause.REDUNDANT):
            self.assertEqual(session(State.WAITING).close(cause), b"")

    def test_paired(self) -> None:
        """After the ok the stream is the buddy's: not a word of ours gets into it."""
        for cause in Cause:
            self.assertEqual(session(State.PAIRED).close(cause), b"")


class LifeTests(SynchronousTestCase):
    """Which state follows which."""

    def test_first_cause_counts(self) -> None:
        """A connection is closed once, and its mood is that of the first cause."""
        closed = session(State.WAITING)
        self.assertIsNotNone(closed.close(Cause.REDUNDANT))
        for cause in Cause:
            self.assertIsNone(closed.close(cause))
        self.assertIs(closed.cause, Cause.REDUNDANT)
        self.assertIs(closed.record(1020.0, 0, None).mood, Mood.REDUNDANT)

    def test_out_of_order(self) -> None:
        """A step that does not follow is an exception of ours, and changes nothing."""
        for state in (State.WAITING, State.PAIRED, State.CLOSING):
            one = session(state)
            with self.assertRaises(OutOfOrderError):
                one.wait()
            self.assertIs(one.state, state)
        for state in (State.PAIRED, State.CLOSING):
            with self.assertRaises(OutOfOrderError):
                session(state).pair(1010.0)

    def test_record(self) -> None:
        """The record tells when it came, how long it waited and was there, and what it sent."""
        one = session(State.PAIRED)
        one.close(Cause.LEFT)
        pair = PairRecord(started=1000.0, waiting_seconds=9.0, total_seconds=15.0, bytes=700)
        self.assertEqual(
            one.record(1020.0, 500, pair),
            ConnectionRecord(
                end=End.TCP,
                mood=Mood.HAPPY,
                started=1000.0,
                waiting_seconds=10.0,
                total_seconds=20.0,
                bytes=500,
                pair=pair,
            ),
        )

    def test_record_without_buddy(self) -> None:
        """One that never had a buddy has no waiting time, however long it waited."""
        one = session(State.WAITING)
        one.close(Cause.TIME_OVER)
        self.assertIsNone(one.record(4600.0, 0, None).waiting_seconds)
