"""The relay: who is paired with whom, what is counted, and how it stops."""

from tests.transit_relay.fakes import ConnectionCase, handshake
from transit_relay.limits import Limits
from transit_relay.observer import End, LinkKind, Mood, State
from transit_relay.relay import Live
from transit_relay.session import Cause


class RelayTests(ConnectionCase):
    """`Relay`."""

    def test_pair(self) -> None:
        """Two with one token and different sides are told ok; then bytes go both ways."""
        first_wire, first = self.connect(handshake(0))
        self.assertEqual(first_wire.sent, b"")
        second_wire, second = self.connect(handshake(1))
        first.receive(b"ping")
        second.receive(b"pong")
        self.assertEqual(first_wire.sent, b"ok\npong")
        self.assertEqual(second_wire.sent, b"ok\nping")

    def test_across_ends(self) -> None:
        """A TCP client and a WebSocket client are paired like any two."""
        tcp, _ = self.connect(handshake(0))
        websocket, _ = self.connect(handshake(1), end=End.WEBSOCKET)
        self.assertEqual((tcp.sent, websocket.sent), (b"ok\n", b"ok\n"))

    def test_case_of_digits(self) -> None:
        """Two clients that print the same key differently are paired."""
        lower, _ = self.connect(handshake(0, token=b"ab" * 32))
        upper, _ = self.connect(handshake(1, token=b"AB" * 32))
        self.assertEqual((lower.sent, upper.sent), (b"ok\n", b"ok\n"))

    def test_redundant(self) -> None:
        """When one of several of a side is paired, the others are closed without a word."""
        old_wire, old = self.connect(handshake(0))
        new_wire, _ = self.connect(handshake(0))
        buddy_wire, _ = self.connect(handshake(1))
        self.assertEqual((new_wire.sent, buddy_wire.sent), (b"ok\n", b"ok\n"))
        self.assertEqual((old_wire.sent, old_wire.finished), (b"", Cause.REDUNDANT))
        old.lost()
        self.assertEqual(self.notes.moods, [Mood.REDUNDANT])

    def test_live(self) -> None:
        """The counts follow each connection through its life, to nothing."""
        self.assertEqual(self.relay.live, Live(0, 0, 0, 0))
        _, first = self.connect()
        self.assertEqual(self.relay.live, Live(1, 0, 0, 0))
        first.receive(handshake(0))
        self.assertEqual(self.relay.live, Live(0, 1, 0, 0))
        _, second = self.connect(handshake(1))
        self.assertEqual(self.relay.live, Live(0, 0, 2, 0))
        first.lost()
        self.assertEqual(self.relay.live, Live(0, 0, 0, 1))
        second.lost()
        self.assertEqual(self.relay.live, Live(0, 0, 0, 0))
        self.assert_nothing_left()

    def test_observer(self) -> None:
        """The observer hears of each step, in order, with the kind of the connection."""
        _, first = self.connect(handshake(0))
        _, second = self.connect(handshake(1), end=End.WEBSOCKET)
        second.lost()
        first.lost()
        self.assertEqual(
            self.notes.states,
            [
                (End.TCP, None, State.HANDSHAKE),
                (End.TCP, State.HANDSHAKE, State.WAITING),
                (End.WEBSOCKET, None, State.HANDSHAKE),
                (End.TCP, State.WAITING, State.PAIRED),
                (End.WEBSOCKET, State.HANDSHAKE, State.PAIRED),
                (End.WEBSOCKET, State.PAIRED, State.CLOSING),
                (End.TCP, State.PAIRED, State.CLOSING),
                (End.WEBSOCKET, State.CLOSING, None),
                (End.TCP, State.CLOSING, None),
            ],
        )

    def test_link(self) -> None:
        """The observer hears what moves a pair's bytes, once they have met."""
        self.connect(handshake(0))
        self.assertEqual(self.notes.links, [])
        self.connect(handshake(1))
        self.assertEqual(self.notes.links, [LinkKind.PRODUCER])

    def test_slow_handshake_came_first(self) -> None:
        """The pair began when the first of the two came, though its handshake was the later."""
        _, slow = self.connect()
        self.clock.advance(7.0)
        self.connect(handshake(0))
        slow.receive(handshake(1))
        slow.lost()
        (record,) = self.notes.records
        assert record.pair is not None
        self.assertEqual((record.pair.started, record.pair.waiting_seconds), (1000.0, 7.0))

    def test_one_after_the_other(self) -> None:
        """Pairs that come and go leave nothing behind."""
        for number in range(1000):
            token = b"%064x" % number
            _, first = self.connect(handshake(0, token))
            _, second = self.connect(handshake(1, token))
            first.receive(b"x")
            second.lost()
            first.lost()
        self.assert_nothing_left()
        self.assertEqual(self.relay._pairing._queues, {})
        self.assertEqual(len(self.notes.records), 2000)


class OtherLimitsTests(ConnectionCase):
    """`Relay.limits`, replaced while there are connections."""

    def test_wait(self) -> None:
        """Who begins to wait now has the new time; who waits already keeps the old."""
        old_wire, _ = self.connect(handshake(0, b"1" * 64))
        self.relay.limits = Limits(wait_seconds=10.0)
        new_wire, _ = self.connect(handshake(0, b"2" * 64))
        self.clock.advance(11.0)
        self.assertEqual((old_wire.finished, new_wire.finished), (None, Cause.TIME_OVER))

    def test_idle(self) -> None:
        """A pair is held to the new time at the next look at it."""
        wire, _ = self.connect(handshake(0))
        self.connect(handshake(1))
        self.relay.limits = Limits(idle_seconds=45.0)
        self.clock.pump([30.0, 15.0])
        self.assertIsNone(wire.finished)
        self.clock.advance(15.0)
        self.assertEqual(wire.finished, Cause.TIME_OVER)


class DrainTests(ConnectionCase):
    """`Relay.drain`."""

    def test_empty(self) -> None:
        """Without connections it is done at once."""
        self.assertIsNone(self.successResultOf(self.relay.drain()))

    def test_pairs_go_on(self) -> None:
        """Who is not paired is closed; a pair is left alone, and it is done when that has ended."""
        unpaired = [self.connect(), self.connect(handshake(0, b"1" * 64))]
        first_wire, first = self.connect(handshake(0))
        second_wire, second = self.connect(handshake(1))
        done = self.relay.drain()
        for wire, connection in unpaired:
            self.assertEqual(wire.finished, Cause.SHUTDOWN)
            connection.lost()
        self.clock.advance(self.relay.limits.drain_seconds)
        first.receive(b"still")
        self.assertEqual(second_wire.sent, b"ok\nstill")
        self.assertIsNone(first_wire.finished)
        first.lost()
        self.assertNoResult(done)
        second.lost()
        self.assertIsNone(self.successResultOf(done))
        self.assert_nothing_left()

    def test_newcomer(self) -> None:
        """Who comes afterwards is sent away, though its buddy be there."""
        self.connect(handshake(0))
        self.relay.drain()
        wire, _ = self.connect(handshake(1))
        self.assertEqual((wire.sent, wire.finished), (b"", Cause.SHUTDOWN))

    def test_cut(self) -> None:
        """Pairs that take too long are closed like all others; both who wait for the end hear of it."""
        (wire, one), (_, other) = self.connect(handshake(0)), self.connect(handshake(1))
        drained = self.relay.drain()
        closed = self.relay.close_all()
        self.assertEqual(wire.finished, Cause.SHUTDOWN)
        one.lost()
        other.lost()
        self.successResultOf(drained)
        self.successResultOf(closed)


class AbortAllTests(ConnectionCase):
    """`Relay.abort_all`."""

    def test_all(self) -> None:
        """Every transport is closed at once, that of one which is being closed as well."""
        peers = [self.connect(), self.connect(handshake(0)), self.connect(handshake(1))]
        peers[0][1].close(Cause.LEFT)
        done = self.relay.abort_all()
        for wire, connection in peers:
            self.assertTrue(wire.aborted)
            connection.lost()
        self.assertIsNone(self.successResultOf(done))
        self.assert_nothing_left()


class CloseAllTests(ConnectionCase):
    """`Relay.close_all`."""

    def test_empty(self) -> None:
        """Without connections it is done at once."""
        self.assertIsNone(self.successResultOf(self.relay.close_all()))

    def test_all(self) -> None:
        """Every connection is finished; it is done when the last is gone."""
        peers = [self.connect(), self.connect(handshake(0, b"1" * 64))]
        peers += [self.connect(handshake(0)), self.connect(handshake(1))]
        done = self.relay.close_all()
        for wire, connection in peers:
            self.assertIsNotNone(wire.finished)
            self.assertNoResult(done)
            connection.lost()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(self.notes.moods, [Mood.EMPTY, Mood.LONELY, Mood.HAPPY, Mood.JILTED])
        self.assert_nothing_left()

    def test_newcomer(self) -> None:
        """Who comes afterwards is sent away."""
        self.relay.close_all()
        wire, _ = self.connect()
        self.assertEqual(wire.finished, Cause.SHUTDOWN)
