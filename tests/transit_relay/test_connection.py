"""The connection: what each state does with bytes, its timers, and the containment of exceptions."""

from collections.abc import Callable
from typing import NoReturn

from tests.transit_relay.fakes import ConnectionCase, FakeRelayTransport, handshake, make_relay
from transit_relay import relay
from transit_relay.connection import Connection
from transit_relay.observer import ConnectionKind, ConnectionState, RelayMood
from transit_relay.session import Cause

MIB = 1 << 20


class HandshakeTests(ConnectionCase):
    """A connection that has not finished its handshake."""

    def test_refused(self) -> None:
        """The peer is told that its handshake is bad, and the connection is finished."""
        transport, connection = self.connect(b"GET / HTTP/1.1\r\n")
        self.assertEqual(
            (transport.sent, transport.finished), (b"bad handshake\n", Cause.BAD_HANDSHAKE)
        )
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.ERRORY])
        self.assert_nothing_left()

    def test_later_bytes_are_dropped(self) -> None:
        """What a refused peer still sends changes nothing."""
        transport, connection = self.connect(b"x", handshake(0), b"more")
        self.assertEqual(transport.sent, b"bad handshake\n")
        self.assertIs(connection.session.cause, Cause.BAD_HANDSHAKE)

    def test_impatient(self) -> None:
        """A peer that sends bytes after the newline is impatient."""
        transport, connection = self.connect(handshake(0) + b"x")
        self.assertEqual((transport.sent, transport.finished), (b"impatient\n", Cause.IMPATIENT))
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.IMPATIENT])

    def test_too_slow(self) -> None:
        """A connection whose handshake is incomplete after 30 seconds is closed."""
        transport, connection = self.connect(handshake(0)[:40])
        self.clock.advance(29.9)
        self.assertIsNone(transport.finished)
        self.clock.advance(0.2)
        self.assertEqual(
            (transport.sent, transport.finished), (b"bad handshake\n", Cause.TIME_OVER)
        )
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.EMPTY])
        self.assert_nothing_left()

    def test_gone_early(self) -> None:
        """A peer that leaves without a handshake, as health checks do, breaks no rule."""
        _, connection = self.connect()
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.EMPTY])
        self.assert_nothing_left()

    def test_message_without_newline(self) -> None:
        """The end of a WebSocket message ends a handshake; the ends of later messages mean nothing."""
        _, connection = self.connect(handshake(0)[:-1], kind=ConnectionKind.WEBSOCKET)
        connection.message_ended()
        self.assertIs(connection.session.state, ConnectionState.WAITING)
        connection.message_ended()
        self.assertIs(connection.session.state, ConnectionState.WAITING)

    def test_empty_message(self) -> None:
        """An empty first message is no handshake."""
        transport, connection = self.connect(kind=ConnectionKind.WEBSOCKET)
        connection.message_ended()
        self.assertEqual(transport.sent, b"bad handshake\n")


class WaitingTests(ConnectionCase):
    """A connection that waits for its buddy."""

    def test_impatient(self) -> None:
        """A peer that sends a byte before the ok is impatient."""
        transport, connection = self.connect(handshake(0), b"x")
        self.assertEqual((transport.sent, transport.finished), (b"impatient\n", Cause.IMPATIENT))
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.IMPATIENT])
        self.assert_nothing_left()

    def test_lonely(self) -> None:
        """After an hour it is closed, and its peer is sent nothing."""
        transport, connection = self.connect(handshake(0))
        self.clock.advance(3599.0)
        self.assertIsNone(transport.finished)
        self.clock.advance(2.0)
        self.assertEqual((transport.sent, transport.finished), (b"", Cause.TIME_OVER))
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.LONELY])
        self.assertEqual((self.observer.records[0].bytes, self.observer.records[0].pair), (0, None))
        self.assert_nothing_left()

    def test_left(self) -> None:
        """A connection that leaves while it waits is not paired with the next."""
        _, connection = self.connect(handshake(0))
        connection.peer_left()
        transport, _ = self.connect(handshake(1))
        self.assertEqual(transport.sent, b"")
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.LONELY])


class ClosingTests(ConnectionCase):
    """A connection that is being closed ends, whatever its peer does."""

    def test_does_not_drain(self) -> None:
        """A peer that does not take what is left is disconnected after a minute."""
        transport, connection = self.connect(b"x")
        self.clock.advance(59.0)
        self.assertFalse(transport.aborted)
        self.clock.advance(2.0)
        self.assertTrue(transport.aborted)
        connection.transport_lost()
        self.assert_nothing_left()

    def test_does_not_close(self) -> None:
        """A peer that has taken everything has 5 seconds to close its own direction."""
        transport, connection = self.connect(b"x")
        self.clock.advance(10.0)
        connection.flushed()
        self.clock.advance(4.9)
        self.assertFalse(transport.aborted)
        self.clock.advance(0.2)
        self.assertTrue(transport.aborted)

    def closed_pair(self) -> tuple[FakeRelayTransport, Connection]:
        """A connection whose buddy has left, a second ago."""
        transport, connection = self.connect(handshake(0))
        _, buddy = self.connect(handshake(1))
        buddy.transport_lost()
        self.clock.advance(1.0)
        return transport, connection

    def test_last_bytes(self) -> None:
        """What a peer has sent before it learned that its buddy is gone is dropped, up to 1 MiB."""
        transport, connection = self.closed_pair()
        transport.delivered = True
        connection.receive(bytes(MIB))
        self.assertFalse(transport.paused or transport.aborted)

    def test_sends_on(self) -> None:
        """A peer that goes on sending, and has everything that was sent to it, is disconnected."""
        transport, connection = self.closed_pair()
        connection.receive(bytes(MIB))
        transport.delivered = True
        connection.receive(b"x")
        self.assertTrue(transport.aborted)
        connection.transport_lost()
        self.assert_nothing_left()

    def test_sends_on_and_takes_nothing(self) -> None:
        """A peer that goes on sending is not read until it has everything that was sent to it."""
        transport, connection = self.closed_pair()
        connection.receive(bytes(MIB + 1))
        connection.receive(b"that was read in the same turn")
        self.clock.advance(30.0)
        self.assertEqual((transport.paused, transport.aborted), (True, False))
        transport.delivered = True
        self.clock.advance(0.1)
        self.assertTrue(transport.aborted)

    def test_sends_on_and_is_flushed(self) -> None:
        """A peer that is no longer read has no time to close its direction once it has everything."""
        transport, connection = self.closed_pair()
        connection.receive(bytes(MIB + 1))
        connection.flushed()
        transport.delivered = True
        self.clock.advance(0.1)
        self.assertTrue(transport.aborted)

    def test_sends_on_and_vanishes(self) -> None:
        """The end of a peer that is no longer read is noticed."""
        transport, connection = self.closed_pair()
        connection.receive(bytes(MIB + 1))
        transport.ended = True
        self.clock.advance(0.1)
        self.assertTrue(transport.aborted)

    def test_sends_on_until_the_deadline(self) -> None:
        """A peer that is no longer read is disconnected when its time is over."""
        for flushed, seconds in ((False, 59.0), (True, 5.0)):
            transport, connection = self.closed_pair()
            connection.receive(bytes(MIB + 1))
            if flushed:
                connection.flushed()
            self.clock.pump([0.1] * round(10 * (seconds - 0.5)))
            self.assertFalse(transport.aborted)
            self.clock.pump([0.1] * 10)
            self.assertTrue(transport.aborted)
            connection.transport_lost()

    def test_refused_sends_on(self) -> None:
        """A peer that is refused may send 16 MiB before it reads why."""
        transport, connection = self.connect(b"x")
        transport.delivered = True
        connection.receive(bytes(16 * MIB))
        self.assertFalse(transport.aborted)
        connection.receive(b"x")
        self.assertTrue(transport.aborted)

    def test_lost_is_lost(self) -> None:
        """Calls on a connection that is gone change nothing."""
        _, connection = self.connect(b"x")
        connection.transport_lost()
        connection.transport_lost()
        connection.flushed()
        connection.peer_left()
        connection.finish()
        connection.receive(b"x")
        self.assertEqual(len(self.observer.records), 1)
        self.assert_nothing_left()


class FailureTests(ConnectionCase):
    """An unexpected exception ends the one connection in which it happens."""

    def test_contained(self) -> None:
        """It is logged once, counted, and told to the peer without details; other connections go on."""
        other, _ = self.connect(handshake(0))
        transport, connection = self.connect()
        self.patch(self.relay._pairing, "match_or_wait", self.explode)
        try:
            connection.receive(handshake(1))
        except ZeroDivisionError:
            connection.handle_exception()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.errors, 1)
        self.assertEqual((transport.sent, transport.finished), (b"internal error\n", Cause.FAILED))
        self.assertEqual((other.sent, other.finished), (b"", None))
        connection.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.ERRORY])

    def test_contained_by_the_connection(self) -> None:
        """What the end of a message, or a close, raises does not reach the transport."""
        transport, connection = self.connect(handshake(0)[:-1], kind=ConnectionKind.WEBSOCKET)
        self.patch(self.relay._pairing, "match_or_wait", self.explode)
        connection.message_ended()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.observer.errors, transport.finished), (1, Cause.FAILED))
        other_transport, other = self.connect()
        self.patch(other_transport, "finish", self.explode)
        other.peer_left()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(other_transport.aborted)

    def test_observer(self) -> None:
        """An observer that raises changes nothing for a connection; what it raises is logged and counted."""
        for report in ("connection_state", "finished", "linked", "relayed"):
            self.patch(self.observer, report, self.explode)
        transport, connection = self.connect(handshake(0))
        buddy_transport, buddy = self.connect(handshake(1))
        connection.receive(b"x" * 300_000)
        self.assertEqual(len(buddy_transport.sent), 3 + 300_000)
        connection.peer_left()
        connection.transport_lost()
        buddy.transport_lost()
        self.assertEqual(
            (transport.finished, buddy_transport.finished), (Cause.LEFT, Cause.BUDDY_LEFT)
        )
        self.assertFalse(transport.aborted or buddy_transport.aborted)
        # Nine changes of state, two records, one link and one batch of bytes.
        logged = len(self.flushLoggedErrors(ZeroDivisionError))
        self.assertEqual((logged, self.observer.errors), (13, 13))
        self.assert_nothing_left()

    def test_while_pairing(self) -> None:
        """A link that cannot be made ends both connections."""
        self.relay = make_relay(self.clock, self.observer, make_link=self.explode)
        first_transport, first = self.connect(handshake(0))
        second_transport, second = self.connect()
        try:
            second.receive(handshake(1))
        except ZeroDivisionError:
            second.handle_exception()
        self.assertEqual(second_transport.finished, Cause.FAILED)
        self.assertEqual(first_transport.finished, Cause.BUDDY_LEFT)
        first.transport_lost()
        second.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.JILTED, RelayMood.ERRORY])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_nothing_left()

    def test_pair_not_made(self) -> None:
        """Where no pair can be made, the buddy does not go on waiting for one."""
        first_transport, _ = self.connect(handshake(0))
        _, second = self.connect()
        self.patch(relay, "Pair", self.explode)
        with self.assertRaises(ZeroDivisionError):
            second.receive(handshake(1))
        self.assertEqual(first_transport.finished, Cause.FAILED)

    def test_not_recorded(self) -> None:
        """A connection that cannot be recorded is forgotten all the same, and its buddy closed."""
        _, connection = self.connect(handshake(0))
        buddy_transport, buddy = self.connect(handshake(1))
        self.patch(self.relay, "day", self.explode)
        connection.transport_lost()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.observer.errors, buddy_transport.finished), (1, Cause.BUDDY_LEFT))
        buddy.transport_lost()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_nothing_left()

    def test_timers(self) -> None:
        """A connection whose deadline cannot be kept, or checked, is closed at once."""
        for name, data in (("abort", b""), ("has_delivered", bytes(17 << 20))):
            transport, connection = self.connect(b"x")
            if data:
                connection.receive(data)
            original = getattr(transport, name)
            failures = [ZeroDivisionError()]

            def once(
                original: Callable[[], bool] = original,
                failures: list[ZeroDivisionError] = failures,
            ) -> bool:
                if failures:
                    raise failures.pop()
                return original()

            self.patch(transport, name, once)
            self.clock.advance(60.0 if name == "abort" else 0.1)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertTrue(transport.aborted)
            connection.transport_lost()
        self.assertEqual(self.observer.errors, 2)
        self.assert_nothing_left()

    def test_not_added(self) -> None:
        """A connection that cannot be counted is closed."""
        state_changed = self.relay.state_changed
        self.patch(self.relay, "state_changed", self.explode)
        transport = FakeRelayTransport()
        connection = self.relay.add_connection(transport)
        self.relay.state_changed = state_changed  # type: ignore[method-assign]
        self.assertTrue(transport.aborted or transport.finished)
        connection.transport_lost()
        self.flushLoggedErrors(ZeroDivisionError)
        self.assert_nothing_left()

    def explode(self, *_args: object) -> NoReturn:
        raise ZeroDivisionError
