"""One connection: what each state does with bytes, its timers, and what an exception does."""

from typing import NoReturn

from tests.transit_relay.fakes import ConnectionCase, handshake
from transit_relay.limits import Limits
from transit_relay.observer import End, Mood, State
from transit_relay.relay import Relay
from transit_relay.session import Cause


class HandshakeTests(ConnectionCase):
    """A connection that has not finished its handshake."""

    def test_refused(self) -> None:
        """A bad handshake is told so, and the connection is finished."""
        wire, connection = self.connect(b"GET / HTTP/1.1\r\n")
        self.assertEqual((wire.sent, wire.finished), (b"bad handshake\n", Cause.BAD_HANDSHAKE))
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.ERRORY])
        self.assert_nothing_left()

    def test_later_bytes_are_dropped(self) -> None:
        """What a refused peer still sends changes nothing."""
        wire, connection = self.connect(b"x", handshake(0), b"more")
        self.assertEqual(wire.sent, b"bad handshake\n")
        self.assertIs(connection.session.cause, Cause.BAD_HANDSHAKE)

    def test_impatient(self) -> None:
        """Bytes behind the newline are impatience."""
        wire, connection = self.connect(handshake(0) + b"x")
        self.assertEqual((wire.sent, wire.finished), (b"impatient\n", Cause.IMPATIENT))
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.IMPATIENT])

    def test_too_slow(self) -> None:
        """Half a handshake and 30 seconds later it is over."""
        wire, connection = self.connect(handshake(0)[:40])
        self.clock.advance(29.9)
        self.assertIsNone(wire.finished)
        self.clock.advance(0.2)
        self.assertEqual((wire.sent, wire.finished), (b"bad handshake\n", Cause.TIME_OVER))
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.EMPTY])
        self.assert_nothing_left()

    def test_gone_early(self) -> None:
        """Who leaves without a handshake, as health checks do, has done nothing wrong."""
        _, connection = self.connect()
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.EMPTY])
        self.assert_nothing_left()

    def test_message_without_newline(self) -> None:
        """The end of a WebSocket message ends a handshake; the next ones mean nothing."""
        _, connection = self.connect(handshake(0)[:-1], end=End.WEBSOCKET)
        connection.message_ended()
        self.assertIs(connection.session.state, State.WAITING)
        connection.message_ended()
        self.assertIs(connection.session.state, State.WAITING)

    def test_empty_message(self) -> None:
        """An empty first message is no handshake."""
        wire, connection = self.connect(end=End.WEBSOCKET)
        connection.message_ended()
        self.assertEqual(wire.sent, b"bad handshake\n")


class WaitingTests(ConnectionCase):
    """A connection whose buddy has not come."""

    def test_impatient(self) -> None:
        """A byte before the ok is impatience."""
        wire, connection = self.connect(handshake(0), b"x")
        self.assertEqual((wire.sent, wire.finished), (b"impatient\n", Cause.IMPATIENT))
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.IMPATIENT])
        self.assert_nothing_left()

    def test_lonely(self) -> None:
        """After an hour it is closed without a word."""
        wire, connection = self.connect(handshake(0))
        self.clock.advance(3599.0)
        self.assertIsNone(wire.finished)
        self.clock.advance(2.0)
        self.assertEqual((wire.sent, wire.finished), (b"", Cause.TIME_OVER))
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.LONELY])
        self.assert_nothing_left()

    def test_left(self) -> None:
        """Who leaves while it waits is not paired with the next."""
        _, connection = self.connect(handshake(0))
        connection.left()
        wire, _ = self.connect(handshake(1))
        self.assertEqual(wire.sent, b"")
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.LONELY])


class ClosingTests(ConnectionCase):
    """A connection that is being closed goes, whatever its peer does."""

    def test_does_not_drain(self) -> None:
        """A peer that does not take what is left is cut off after a minute."""
        wire, connection = self.connect(b"x")
        self.clock.advance(59.0)
        self.assertFalse(wire.aborted)
        self.clock.advance(2.0)
        self.assertTrue(wire.aborted)
        connection.lost()
        self.assert_nothing_left()

    def test_does_not_close(self) -> None:
        """A peer that has taken all, but does not close its end, is given 5 seconds."""
        wire, connection = self.connect(b"x")
        self.clock.advance(10.0)
        connection.flushed()
        self.clock.advance(4.9)
        self.assertFalse(wire.aborted)
        self.clock.advance(0.2)
        self.assertTrue(wire.aborted)

    def test_lost_is_lost(self) -> None:
        """What is told of a connection that is gone changes nothing."""
        _, connection = self.connect(b"x")
        connection.lost()
        connection.lost()
        connection.flushed()
        connection.left()
        connection.finish()
        connection.receive(b"x")
        self.assertEqual(len(self.notes.records), 1)
        self.assert_nothing_left()


class FailureTests(ConnectionCase):
    """An unexpected exception ends the one connection in which it happens."""

    def test_contained(self) -> None:
        """It is logged once, counted, told to the peer without detail; others do not notice."""
        other, _ = self.connect(handshake(0))
        wire, connection = self.connect()
        self.patch(self.relay._pairing, "arrive", self.explode)
        try:
            connection.receive(handshake(1))
        except ZeroDivisionError:
            connection.failed()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.notes.errors, 1)
        self.assertEqual((wire.sent, wire.finished), (b"internal error\n", Cause.FAILED))
        self.assertEqual((other.sent, other.finished), (b"", None))
        connection.lost()
        self.assertEqual(self.notes.moods, [Mood.ERRORY])

    def test_observer(self) -> None:
        """An observer that raises cannot keep a connection alive."""
        wire, connection = self.connect(handshake(0))
        buddy_wire, buddy = self.connect(handshake(1))
        self.patch(self.notes, "connection_state", self.explode)
        connection.left()
        self.assertTrue(wire.aborted)
        connection.lost()
        self.assertTrue(buddy_wire.aborted)
        buddy.lost()
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError)), 0)
        self.assert_nothing_left()

    def test_observer_at_the_start(self) -> None:
        """A connection whose arrival cannot be told is closed, and goes like any other."""
        self.patch(self.notes, "connection_state", self.explode)
        wire, connection = self.connect()
        self.assertTrue(wire.aborted)
        connection.lost()
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError)), 0)
        self.assert_nothing_left()

    def test_while_pairing(self) -> None:
        """A link that cannot be made ends both connections."""
        self.relay = Relay(self.clock, Limits(), self.notes, make_link=self.explode)
        first_wire, first = self.connect(handshake(0))
        second_wire, second = self.connect()
        try:
            second.receive(handshake(1))
        except ZeroDivisionError:
            second.failed()
        self.assertEqual(second_wire.finished, Cause.FAILED)
        self.assertEqual(first_wire.finished, Cause.BUDDY_LEFT)
        first.lost()
        second.lost()
        self.assertEqual(self.notes.moods, [Mood.JILTED, Mood.ERRORY])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_nothing_left()

    def explode(self, *_args: object) -> NoReturn:
        raise ZeroDivisionError
