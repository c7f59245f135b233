"""The relay: which connections it pairs, what it counts, and how it stops."""

import attrs
from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock

from tests.transit_relay.fakes import (
    DAY_AHEAD,
    LIMITS,
    ConnectionCase,
    FakeObserver,
    FakeRelayTransport,
    handshake,
    make_relay,
)
from transit_relay.connection import Connection
from transit_relay.link import Buddy, Meter
from transit_relay.links.producer import ProducerLink
from transit_relay.observer import ConnectionKind, ConnectionState, LinkKind, RelayMood
from transit_relay.pair import Pair
from transit_relay.relay import ConnectionCounts
from transit_relay.session import Cause, HandedWebSocket
from wormhole_limits.bounds import Bound
from wormhole_websocket.frames import StreamPosition


def _same(transport: ITransport) -> ITransport:
    return transport


class RelayTests(ConnectionCase):
    """`Relay`."""

    def test_pair(self) -> None:
        """Two peers with one token and different sides are sent ok; then bytes go both ways."""
        first_transport, first = self.connect(handshake(0))
        self.assertEqual(first_transport.sent, b"")
        second_transport, second = self.connect(handshake(1))
        first.receive(b"ping")
        second.receive(b"pong")
        self.assertEqual(first_transport.sent, b"ok\npong")
        self.assertEqual(second_transport.sent, b"ok\nping")

    def test_across_ends(self) -> None:
        """A TCP client and a WebSocket client are paired like any two."""
        tcp, _ = self.connect(handshake(0))
        websocket, _ = self.connect(handshake(1), kind=ConnectionKind.WEBSOCKET)
        self.assertEqual((tcp.sent, websocket.sent), (b"ok\n", b"ok\n"))

    def test_case_of_digits(self) -> None:
        """Two clients that print the same key differently are paired."""
        lower, _ = self.connect(handshake(0, token=b"ab" * 32))
        upper, _ = self.connect(handshake(1, token=b"AB" * 32))
        self.assertEqual((lower.sent, upper.sent), (b"ok\n", b"ok\n"))

    def test_redundant(self) -> None:
        """When one of several connections of a side is paired, the others are closed and sent nothing."""
        old_transport, old = self.connect(handshake(0))
        new_transport, _ = self.connect(handshake(0))
        buddy_transport, _ = self.connect(handshake(1))
        self.assertEqual((new_transport.sent, buddy_transport.sent), (b"ok\n", b"ok\n"))
        self.assertEqual((old_transport.sent, old_transport.finished), (b"", Cause.REDUNDANT))
        old.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.REDUNDANT])

    def test_waiting_per_address(self) -> None:
        """An address has so many connections that wait, and no more; those that are paired do not count."""
        self.relay.limits = attrs.evolve(LIMITS, waiting_per_address=2)
        tokens = [bytes([digit]) * 64 for digit in b"0123"]
        waiting = [self.connect(handshake(0, token), block=7) for token in tokens[:2]]
        refused, _ = self.connect(handshake(0, tokens[2]), block=7)
        self.assertEqual(refused.finished, Cause.TOO_MANY)
        self.assertEqual(refused.sent, b"refused: too many connections of your address wait\n")
        self.assertEqual(self.bounds.met, [(Bound.RELAY_WAITING, 7)])
        self.assertEqual(self.relay.live.waiting, 2)
        for block in (8, 0, 0, 0):
            other, _ = self.connect(handshake(0, b"%064x" % self.relay.live.waiting), block=block)
            self.assertIsNone(other.finished)
        buddy, _ = self.connect(handshake(1, tokens[0]), block=7)
        self.assertEqual((waiting[0][0].sent, buddy.sent), (b"ok\n", b"ok\n"))
        allowed, _ = self.connect(handshake(0, tokens[3]), block=7)
        self.assertIsNone(allowed.finished)

    def test_waiting_per_address_when_one_leaves(self) -> None:
        """A connection that is gone makes room for another of its address."""
        self.relay.limits = attrs.evolve(LIMITS, waiting_per_address=1)
        for token in (b"0" * 64, b"1" * 64):
            transport, connection = self.connect(handshake(0, token), block=7)
            self.assertIsNone(transport.finished)
            connection.transport_lost()
        self.assertEqual(self.bounds.met, [])
        self.assert_nothing_left()

    def test_bytes_of_the_month(self) -> None:
        """When an address, or all, have used up the month, new connections are refused; a pair goes on."""
        limits = attrs.evolve(LIMITS, month_bytes=100, month_bytes_per_address=60)
        self.relay.limits = limits
        _, sender = self.connect(handshake(0), block=7)
        receiver, other = self.connect(handshake(1), block=8)
        sender.receive(b"x" * 60)
        self.relay.limits = attrs.evolve(limits, month_bytes=None)
        sender.pair._report()  # type: ignore[union-attr]
        refused, _ = self.connect(handshake(0, b"1" * 64), block=7)
        self.assertEqual(refused.finished, Cause.USED_UP)
        self.assertEqual(refused.sent, b"refused: no bytes are left for this month\n")
        self.assertEqual(self.bounds.met, [(Bound.RELAY_BYTES, 7)])
        allowed, _ = self.connect(handshake(0, b"2" * 64), block=8)
        self.assertIsNone(allowed.finished)
        other.receive(b"y" * 40)
        sender.receive(b"goes on")
        self.assertTrue(receiver.sent.endswith(b"goes on"))
        sender.pair._report()  # type: ignore[union-attr]
        self.relay.limits = attrs.evolve(limits, month_bytes_per_address=None)
        refused, _ = self.connect(handshake(0, b"3" * 64), block=9)
        self.assertEqual(refused.finished, Cause.USED_UP)

    def test_known_only(self) -> None:
        """Where only known addresses may use the relay, others are told so; one without an address may."""
        self.relay.limits = attrs.evolve(LIMITS, known_only=True)
        stranger, _ = self.connect(handshake(0), block=7)
        self.assertEqual(stranger.finished, Cause.STRANGER)
        self.assertEqual(
            stranger.sent, b"refused: your address has not used the rendezvous server lately\n"
        )
        self.assertEqual(self.bounds.met, [(Bound.RELAY_STRANGER, 7)])
        self.known.add(7)
        first, _ = self.connect(handshake(0), block=7)
        second, _ = self.connect(handshake(1), block=0)
        self.assertEqual((first.sent, second.sent), (b"ok\n", b"ok\n"))

    def test_live(self) -> None:
        """Each connection is counted in its present state only, and not at all when it is gone."""
        self.assertEqual(self.relay.live, ConnectionCounts(0, 0, 0, 0))
        _, first = self.connect()
        self.assertEqual(self.relay.live, ConnectionCounts(1, 0, 0, 0))
        first.receive(handshake(0))
        self.assertEqual(self.relay.live, ConnectionCounts(0, 1, 0, 0))
        _, second = self.connect(handshake(1))
        self.assertEqual(self.relay.live, ConnectionCounts(0, 0, 2, 0))
        first.transport_lost()
        self.assertEqual(self.relay.live, ConnectionCounts(0, 0, 0, 1))
        second.transport_lost()
        self.assertEqual(self.relay.live, ConnectionCounts(0, 0, 0, 0))
        self.assert_nothing_left()

    def test_observer(self) -> None:
        """Each change of state is reported, in order, with the kind of the connection."""
        _, first = self.connect(handshake(0))
        _, second = self.connect(handshake(1), kind=ConnectionKind.WEBSOCKET)
        second.transport_lost()
        first.transport_lost()
        self.assertEqual(
            self.observer.states,
            [
                (ConnectionKind.TCP, None, ConnectionState.HANDSHAKE),
                (ConnectionKind.TCP, ConnectionState.HANDSHAKE, ConnectionState.WAITING),
                (ConnectionKind.WEBSOCKET, None, ConnectionState.HANDSHAKE),
                (ConnectionKind.TCP, ConnectionState.WAITING, ConnectionState.PAIRED),
                (ConnectionKind.WEBSOCKET, ConnectionState.HANDSHAKE, ConnectionState.PAIRED),
                (ConnectionKind.WEBSOCKET, ConnectionState.PAIRED, ConnectionState.CLOSING),
                (ConnectionKind.TCP, ConnectionState.PAIRED, ConnectionState.CLOSING),
                (ConnectionKind.WEBSOCKET, ConnectionState.CLOSING, None),
                (ConnectionKind.TCP, ConnectionState.CLOSING, None),
            ],
        )

    def test_link(self) -> None:
        """The kind of its link is reported for each pair."""
        self.connect(handshake(0))
        self.assertEqual(self.observer.links, [])
        self.connect(handshake(1))
        self.assertEqual(self.observer.links, [LinkKind.PRODUCER])

    def test_slow_handshake_came_first(self) -> None:
        """A pair starts with the connection that came first, even if that finished its handshake last."""
        _, slow = self.connect()
        self.clock.advance(7.0)
        self.connect(handshake(0))
        slow.receive(handshake(1))
        slow.transport_lost()
        (record,) = self.observer.records
        assert record.pair is not None
        self.assertEqual(
            (record.pair.started, record.pair.waiting_seconds), (DAY_AHEAD + 1000.0, 7.0)
        )

    def test_one_after_the_other(self) -> None:
        """Nothing is kept of pairs that have ended."""
        for number in range(1000):
            token = b"%064x" % number
            _, first = self.connect(handshake(0, token))
            _, second = self.connect(handshake(1, token))
            first.receive(b"x")
            second.transport_lost()
            first.transport_lost()
        self.assert_nothing_left()
        self.assertEqual(self.relay._pairing._queues, {})
        self.assertEqual(len(self.observer.records), 2000)


class OtherLimitsTests(ConnectionCase):
    """`Relay.limits`, replaced while there are connections."""

    def test_wait(self) -> None:
        """A connection that begins to wait has the new time; one that waits already keeps the old."""
        old_transport, _ = self.connect(handshake(0, b"1" * 64))
        self.relay.limits = attrs.evolve(LIMITS, wait_seconds=10.0)
        new_transport, _ = self.connect(handshake(0, b"2" * 64))
        self.clock.advance(11.0)
        self.assertEqual((old_transport.finished, new_transport.finished), (None, Cause.TIME_OVER))

    def test_idle(self) -> None:
        """A pair is held to the new time at its next check."""
        transport, _ = self.connect(handshake(0))
        self.connect(handshake(1))
        self.relay.limits = attrs.evolve(LIMITS, idle_seconds=45.0)
        self.clock.pump([30.0, 15.0])
        self.assertIsNone(transport.finished)
        self.clock.advance(15.0)
        self.assertEqual(transport.finished, Cause.TIME_OVER)


class DrainTests(ConnectionCase):
    """`Relay.drain`."""

    def test_empty(self) -> None:
        """Without connections it fires at once."""
        self.assertIsNone(self.successResultOf(self.relay.drain()))

    def test_pairs_go_on(self) -> None:
        """Connections without a buddy are closed; a pair goes on, and it fires when that has ended."""
        unpaired = [self.connect(), self.connect(handshake(0, b"1" * 64))]
        first_transport, first = self.connect(handshake(0))
        second_transport, second = self.connect(handshake(1))
        done = self.relay.drain()
        for transport, connection in unpaired:
            self.assertEqual(transport.finished, Cause.SHUTDOWN)
            connection.transport_lost()
        self.clock.advance(self.relay.limits.drain_seconds)
        first.receive(b"still")
        self.assertEqual(second_transport.sent, b"ok\nstill")
        self.assertIsNone(first_transport.finished)
        first.transport_lost()
        self.assertNoResult(done)
        second.transport_lost()
        self.assertIsNone(self.successResultOf(done))
        self.assert_nothing_left()

    def test_newcomer(self) -> None:
        """A new connection is closed, even if its buddy waits."""
        self.connect(handshake(0))
        self.relay.drain()
        transport, _ = self.connect(handshake(1))
        self.assertEqual((transport.sent, transport.finished), (b"", Cause.SHUTDOWN))

    def test_cut(self) -> None:
        """Pairs that take too long can be closed like all others; both calls then fire."""
        (transport, one), (_, other) = self.connect(handshake(0)), self.connect(handshake(1))
        drained = self.relay.drain()
        closed = self.relay.close_all()
        self.assertEqual(transport.finished, Cause.SHUTDOWN)
        one.transport_lost()
        other.transport_lost()
        self.successResultOf(drained)
        self.successResultOf(closed)


class HandoverTests(ConnectionCase):
    """`Relay.hand_over`, and `add_connection` and `reunite` of the relay after it."""

    def setUp(self) -> None:
        """A second relay, with a clock of its own."""
        super().setUp()
        self.later = Clock()
        self.later.advance(7_000.0)
        self.next_observer = FakeObserver()
        self.next = make_relay(
            self.later, self.next_observer, attrs.evolve(LIMITS, known_only=True)
        )

    def hand_over(self, *lost: int) -> list[tuple[FakeRelayTransport, Connection]]:
        """All connections, in the next relay; some are lost on the way."""
        handed = [each for _, each in self.relay.hand_over(_same)]
        self.assert_nothing_left()
        peers = []
        for each in handed:
            transport = FakeRelayTransport()
            peers.append((transport, self.next.add_connection(transport, each)))
        self.next.reunite(
            [None if place in lost else peer[1] for place, peer in enumerate(peers)], handed
        )
        return peers

    def test_pair(self) -> None:
        """A pair goes on, and is sent no second ok; its record has the times and the bytes of both relays."""
        self.relay.begin_handover()
        self.clock.advance(1.0)
        _, first = self.connect(handshake(0))
        self.clock.advance(2.0)
        self.connect(handshake(1))
        self.clock.advance(4.0)
        first.receive(b"12345")
        (one_transport, one), (other_transport, other) = self.hand_over()
        self.assertEqual(self.observer.byte_counts, [5])
        self.assertEqual(
            self.observer.states[-1], (ConnectionKind.TCP, ConnectionState.PAIRED, None)
        )
        one.receive(b"678")
        other.receive(b"90")
        self.assertEqual((one_transport.sent, other_transport.sent), (b"90", b"678"))
        self.later.advance(8.0)
        one.transport_lost()
        other.transport_lost()
        first_record, _ = self.next_observer.records
        assert first_record.pair is not None
        self.assertEqual((first_record.bytes, first_record.waiting_seconds), (8, 2.0))
        self.assertEqual(first_record.mood, RelayMood.HAPPY)
        self.assertEqual((first_record.pair.bytes, first_record.pair.total_seconds), (10, 14.0))
        self.assertEqual(sum(self.next_observer.byte_counts), 5)
        self.assertEqual(self.observer.records, [])
        self.assertEqual(self.next.traffic.total, 10)

    def test_frames(self) -> None:
        """What the transport says of its frames, when no link uses it any more, goes with the connection."""
        transport, _ = self.connect(handshake(0), kind=ConnectionKind.WEBSOCKET)
        self.connect(handshake(1))
        transport.frames = HandedWebSocket(StreamPosition(left=7))
        self.relay.begin_handover()
        frames = [each.websocket for _, each in self.relay.hand_over(_same)]
        self.assertEqual(frames, [HandedWebSocket(StreamPosition(left=7)), None])

    def test_months(self) -> None:
        """What a connection that began last month has sent does not count for this month."""
        self.relay.begin_handover()
        _, first = self.connect(handshake(0), block=7)
        self.clock.advance(100.0)
        _, second = self.connect(handshake(1), block=8)
        first.receive(b"12345")
        second.receive(b"678")
        month = self.next.traffic.month_start()
        self.next.day = lambda: month + 50.0
        self.hand_over()
        self.assertEqual(self.next.traffic.total, 3)

    def test_pair_that_fails(self) -> None:
        """A pair that the next relay cannot make is closed there, and the next pair is made."""
        failures = [ZeroDivisionError()]

        def make_link(first: Buddy, forth: Meter, second: Buddy, back: Meter) -> ProducerLink:
            if failures:
                raise failures.pop()
            return ProducerLink(first, forth, second, back)

        self.next = make_relay(self.later, self.next_observer, make_link=make_link)
        self.relay.begin_handover()
        for token in (b"1" * 64, b"2" * 64):
            self.connect(handshake(0, token))
            self.connect(handshake(1, token))
        peers = self.hand_over()
        self.assertEqual(
            [transport.finished for transport, _ in peers],
            [Cause.FAILED, Cause.BUDDY_LEFT, None, None],
        )
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.next_observer.errors, 1)
        peers[2][1].receive(b"goes on")
        self.assertEqual(peers[3][0].sent, b"goes on")

    def test_waiting(self) -> None:
        """One that waits is paired in the next relay, known there or not; its time goes on."""
        self.relay.begin_handover()
        self.connect(handshake(0))
        self.connect(handshake(0, b"1" * 64))
        self.clock.advance(LIMITS.wait_seconds - 5.0)
        (one, _), (other, _) = self.hand_over()
        self.next.limits = LIMITS
        buddy = FakeRelayTransport()
        self.next.add_connection(buddy).receive(handshake(1))
        self.assertEqual((one.sent, buddy.sent), (b"ok\n", b"ok\n"))
        self.later.advance(5.0)
        self.assertEqual((one.finished, other.finished), (None, Cause.TIME_OVER))

    def test_begun(self) -> None:
        """A handshake goes on where it was, and its time too."""
        self.relay.begin_handover()
        self.connect(handshake(0)[:20])
        self.connect()
        self.clock.advance(LIMITS.handshake_seconds - 5.0)
        (_, begun), (silent, _) = self.hand_over()
        self.next.limits = LIMITS
        begun.receive(handshake(0)[20:])
        self.assertEqual(begun.session.state, ConnectionState.WAITING)
        self.later.advance(5.0)
        self.assertEqual(silent.finished, Cause.TIME_OVER)

    def test_lost_on_the_way(self) -> None:
        """One whose buddy did not arrive is closed as if that had left."""
        self.relay.begin_handover()
        self.connect(handshake(0))
        self.connect(handshake(1))
        _, (transport, connection) = self.hand_over(0)
        self.assertEqual(transport.finished, Cause.BUDDY_LEFT)
        connection.transport_lost()
        self.assertEqual(self.next_observer.moods, [RelayMood.JILTED])

    def test_what_ends_here(self) -> None:
        """What is closing, or has an end that cannot be handed over, is drained and closed as ever."""
        fixed, one = self.connect(handshake(0))
        fixed.can_be_handed_over = False
        _, other = self.connect(handshake(1))
        alone, waiting = self.connect(handshake(0, b"1" * 64))
        alone.can_be_handed_over = False
        moving, _ = self.connect(handshake(0, b"2" * 64))
        leaving, gone = self.connect(handshake(0, b"3" * 64))
        gone.peer_left()
        self.relay.begin_handover()
        done = self.relay.drain()
        self.assertEqual(self.relay.ending_pairs, 1)
        self.assertEqual((alone.finished, moving.finished), (Cause.SHUTDOWN, None))
        newcomer, _ = self.connect(handshake(1, b"2" * 64))
        self.assertEqual((moving.sent, newcomer.sent), (b"ok\n", b"ok\n"))
        for connection in (waiting, gone, one):
            self.assertNoResult(done)
            connection.transport_lost()
        other.transport_lost()
        self.assertIsNone(self.successResultOf(done))
        self.relay.abort_all()
        self.assertEqual((moving.aborted, leaving.aborted), (False, False))
        self.assertEqual([each.buddy for _, each in self.relay.hand_over(_same)], [1, 0])
        self.assert_nothing_left()

    def test_exception(self) -> None:
        """What raises while one is released ends that pair, is counted, and keeps no other from going on."""
        one, _ = self.connect(handshake(0))
        other, _ = self.connect(handshake(1))
        self.connect(handshake(0, b"1" * 64))
        released = Pair.release
        self.patch(Pair, "release", lambda _: 1 / 0)
        self.relay.begin_handover()
        handed = self.relay.hand_over(_same)
        self.patch(Pair, "release", released)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), self.observer.errors)
        self.assertEqual([each.request is None for _, each in handed], [False])
        self.assertEqual((one.aborted, other.aborted), (True, True))
        self.assertEqual(self.relay.live.waiting, 0)

    def test_exception_of_one(self) -> None:
        """One whose socket cannot be taken is aborted; its buddy is told in the next relay."""
        self.relay.begin_handover()
        failing, _ = self.connect(handshake(0))
        self.connect(handshake(1))
        self.connect(handshake(0, b"1" * 64))
        self.clock.advance(1.0)

        def take(transport: ITransport) -> ITransport:
            if transport is failing.transport:
                raise ZeroDivisionError
            return transport

        handed = [each for _, each in self.relay.hand_over(take)]
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), self.observer.errors)
        self.assertTrue(failing.aborted)
        transports = [FakeRelayTransport() for _ in handed]
        connections = [
            self.next.add_connection(transport, each)
            for transport, each in zip(transports, handed, strict=True)
        ]
        self.next.reunite(connections, handed)
        self.assertEqual([each.finished for each in transports], [Cause.BUDDY_LEFT, None])
        self.assertEqual(self.next.live.waiting, 1)

    def test_exception_of_a_transport(self) -> None:
        """A transport that cannot say where its frames are ends alone as well."""
        failing, _ = self.connect(handshake(0))
        self.patch(failing, "release", lambda: 1 / 0)
        self.connect(handshake(0, b"1" * 64))
        self.relay.begin_handover()
        self.assertEqual(len(self.relay.hand_over(_same)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(failing.aborted)

    def test_no_successor(self) -> None:
        """Without a successor everything ends here after all."""
        transport, waiting = self.connect(handshake(0))
        self.relay.begin_handover()
        self.assertIsNone(self.successResultOf(self.relay.drain()))
        self.relay.end_handover()
        done = self.relay.drain()
        self.assertEqual(transport.finished, Cause.SHUTDOWN)
        self.assertNoResult(done)
        waiting.transport_lost()
        self.successResultOf(done)

    def test_paired_with_what_ends_here(self) -> None:
        """A connection that would go on ends here if it is paired with one that cannot."""
        _, waiting = self.connect(handshake(0))
        fixed = FakeRelayTransport()
        fixed.can_be_handed_over = False
        buddy = self.relay.add_connection(fixed)
        self.relay.begin_handover()
        buddy.receive(handshake(1))
        done = self.relay.drain()
        self.assertNoResult(done)
        for connection in (waiting, buddy):
            connection.transport_lost()
        self.successResultOf(done)


class LastRecordTests(ConnectionCase):
    """The record of the last connection."""

    def test_before_the_end(self) -> None:
        """It is reported before the relay counts as empty, so that a shutdown does not miss it."""
        _, connection = self.connect()
        records: list[int] = []
        done = self.relay.close_all()
        done.addCallback(lambda _: records.append(len(self.observer.records)))
        connection.transport_lost()
        self.assertEqual(records, [1])


class AbortAllTests(ConnectionCase):
    """`Relay.abort_all`."""

    def test_all(self) -> None:
        """Every transport is closed at once, including one that is being closed in good order."""
        peers = [self.connect(), self.connect(handshake(0)), self.connect(handshake(1))]
        peers[0][1].close(Cause.LEFT)
        done = self.relay.abort_all()
        for transport, connection in peers:
            self.assertTrue(transport.aborted)
            connection.transport_lost()
        self.assertIsNone(self.successResultOf(done))
        self.assert_nothing_left()


class CloseAllTests(ConnectionCase):
    """`Relay.close_all`."""

    def test_empty(self) -> None:
        """Without connections it fires at once."""
        self.assertIsNone(self.successResultOf(self.relay.close_all()))

    def test_all(self) -> None:
        """Every connection is finished; it fires when the last is gone."""
        peers = [self.connect(), self.connect(handshake(0, b"1" * 64))]
        peers += [self.connect(handshake(0)), self.connect(handshake(1))]
        done = self.relay.close_all()
        for transport, connection in peers:
            self.assertIsNotNone(transport.finished)
            self.assertNoResult(done)
            connection.transport_lost()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(
            self.observer.moods,
            [RelayMood.EMPTY, RelayMood.LONELY, RelayMood.HAPPY, RelayMood.JILTED],
        )
        self.assert_nothing_left()

    def test_newcomer(self) -> None:
        """A new connection is closed."""
        self.relay.close_all()
        transport, _ = self.connect()
        self.assertEqual(transport.finished, Cause.SHUTDOWN)
