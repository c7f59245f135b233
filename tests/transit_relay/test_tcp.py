"""The relay over TCP, on transports in memory: flow control, and how connections are closed."""

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.transit_relay.fakes import (
    FakeObserver,
    FakeTransport,
    connect_twisted,
    handshake,
    make_relay,
)
from transit_relay.observer import RelayMood
from transit_relay.relay import ConnectionCounts
from transit_relay.tcp import TransitFactory, TransitProtocol
from wormhole_limits.ip_addresses import block_of
from wormhole_twisted.internals import MOST_READ_BYTES, read_at_most


class TcpCase(SynchronousTestCase):
    """A relay, and the factory of its connections."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.observer = FakeObserver()
        self.relay = make_relay(self.clock, self.observer)
        self.factory = TransitFactory(self.relay)

    def connect(self, *data: bytes) -> FakeTransport:
        """A peer that has connected and sent `data`."""
        transport = FakeTransport(self.clock)
        transport.connect(self.factory.buildProtocol(None))
        for piece in data:
            transport.deliver(piece)
        return transport

    def pair(self) -> tuple[FakeTransport, FakeTransport]:
        """Two peers that have taken their ok."""
        first, second = self.connect(handshake(0)), self.connect(handshake(1))
        self.assertEqual((first.drain(), second.drain()), (b"ok\n", b"ok\n"))
        return first, second

    def assert_nothing_left(self) -> None:
        """No connection is left, and no timer runs."""
        self.assertEqual(self.relay.live, ConnectionCounts(0, 0, 0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class StreamTests(TcpCase):
    """What a peer sends and receives."""

    def test_interfaces(self) -> None:
        """The protocol provides the interface that it declares."""
        verifyObject(IHalfCloseableProtocol, TransitProtocol(self.relay, 0))

    def test_address(self) -> None:
        """A peer belongs to the block of its address; one without an address to none."""
        address = IPv4Address("TCP", "192.0.2.77", 1)
        factory = TransitFactory(self.relay)
        self.assertEqual(factory.buildProtocol(address).block, block_of(address))
        self.assertEqual(factory.buildProtocol(None).block, 0)

    def test_byte_by_byte(self) -> None:
        """A handshake may arrive in any pieces."""
        whole = handshake(0)
        first = self.connect(*[whole[place : place + 1] for place in range(len(whole))])
        second = self.connect(handshake(1))
        self.assertEqual((first.drain(), second.drain()), (b"ok\n", b"ok\n"))

    def test_both_ways(self) -> None:
        """Every byte of one goes to the other, both ways, in order."""
        first, second = self.pair()
        first.deliver(b"one ")
        second.deliver(b"uno")
        first.deliver(b"two")
        self.assertEqual((first.drain(), second.drain()), (b"uno", b"one two"))

    def test_hears_of_close_while_waiting(self) -> None:
        """A connection that waits is still read, so that its end is noticed."""
        waiting = self.connect(handshake(0))
        waiting.end()
        waiting.drain()
        self.assertEqual(self.observer.moods, [RelayMood.LONELY])
        self.assert_nothing_left()


class FlowTests(TcpCase):
    """A buddy that does not read stops the other from being read."""

    def test_stalled(self) -> None:
        """What is held for a stalled peer is bounded, and what it sends itself is still relayed."""
        fast, stalled = self.pair()
        sent = 0
        while fast.reading:
            fast.deliver(b"x" * 65536)
            sent += 65536
        self.assertLessEqual(len(stalled.pending), 2 * 65536)
        stalled.deliver(b"wait for me")
        self.assertEqual(fast.drain(), b"wait for me")
        self.assertFalse(fast.reading)
        self.assertEqual(len(stalled.drain()), sent)
        self.assertTrue(fast.reading)

    def test_both_stalled(self) -> None:
        """Two peers that only send stop each other, and each resumes on its own."""
        first, second = self.pair()
        while first.reading:
            first.deliver(b"x" * 65536)
        while second.reading:
            second.deliver(b"y" * 65536)
        self.assertIn(b"x", second.drain())
        self.assertTrue(first.reading)
        self.assertFalse(second.reading)
        first.drain()
        self.assertTrue(second.reading)

    def test_read_size(self) -> None:
        """One that was read little at a time is read as much as any once it has a buddy."""
        protocol = self.factory.buildProtocol(None)
        transport = connect_twisted(self, protocol)
        read_at_most(transport, 512)
        protocol.dataReceived(handshake(0))
        self.assertEqual(transport.bufferSize, 512)
        self.connect(handshake(1))
        self.assertEqual(transport.bufferSize, MOST_READ_BYTES)


class ClosingTests(TcpCase):
    """When one peer is gone, the other is sent what is left, and then closed."""

    def test_flushed_then_closed(self) -> None:
        """The other peer gets everything, then the end, and is gone with its own end."""
        leaver, stayer = self.pair()
        leaver.deliver(b"last words")
        leaver.end()
        leaver.drain()
        self.assertFalse(leaver.connected)
        self.assertFalse(stayer.write_ended)
        self.assertEqual(stayer.drain(), b"last words")
        self.assertTrue(stayer.write_ended)
        stayer.end()
        self.assertFalse(stayer.connected)
        self.assertFalse(stayer.aborted)
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])
        self.assert_nothing_left()

    def test_half_close(self) -> None:
        """A peer that closes its own direction only still gets what was on its way to it."""
        leaver, stayer = self.pair()
        stayer.deliver(b"for you")
        leaver.end()
        self.assertEqual(leaver.drain(), b"for you")
        self.assertFalse(leaver.connected)

    def test_no_more_is_taken(self) -> None:
        """What the other peer goes on sending is read and dropped."""
        leaver, stayer = self.pair()
        leaver.end()
        stayer.deliver(b"x" * 1_000_000)
        self.assertEqual(leaver.drain(), b"")

    def test_other_does_not_close(self) -> None:
        """A peer that was sent everything, and the end, is closed after 5 seconds, without a reset."""
        leaver, stayer = self.pair()
        leaver.reset()
        stayer.drain()
        self.clock.advance(4.9)
        self.assertTrue(stayer.connected)
        self.clock.advance(0.2)
        self.assertFalse(stayer.connected)
        self.assertFalse(stayer.aborted)
        self.assert_nothing_left()

    def test_other_does_not_read(self) -> None:
        """A peer that does not take what is left is disconnected after a minute."""
        leaver, stayer = self.pair()
        leaver.deliver(b"x" * 100_000)
        leaver.reset()
        self.clock.advance(59.9)
        self.assertTrue(stayer.connected)
        self.clock.advance(0.2)
        self.clock.advance(0.0)
        self.assertTrue(stayer.aborted)
        self.assertFalse(stayer.connected)
        self.assert_nothing_left()

    def test_leaver_does_not_read(self) -> None:
        """A peer that has closed its own direction, and does not read, is disconnected as well."""
        leaver, stayer = self.pair()
        stayer.deliver(b"x" * 100_000)
        leaver.end()
        stayer.drain()
        stayer.end()
        self.clock.advance(60.1)
        self.clock.advance(0.0)
        self.assertTrue(leaver.aborted)
        self.assert_nothing_left()

    def test_sender_vanishes_while_receiver_stalls(self) -> None:
        """Its end is read as soon as the receiver has taken every byte; then both are closed."""
        sender, receiver = self.pair()
        while sender.reading:
            sender.deliver(b"x" * 65536)
        self.clock.pump([60.0] * 60)
        self.assertTrue(sender.connected)
        receiver.drain()
        sender.deliver(b"what the kernel still had")
        sender.reset()
        self.assertEqual(receiver.drain(), b"what the kernel still had")
        receiver.end()
        self.assert_nothing_left()

    def test_receiver_vanishes_while_stalled(self) -> None:
        """When a stalled receiver is gone, the sender, which is not being read, is closed as well."""
        sender, receiver = self.pair()
        while sender.reading:
            sender.deliver(b"x" * 65536)
        receiver.reset()
        sender.drain()
        self.clock.advance(5.1)
        self.assertFalse(sender.connected)
        self.assert_nothing_left()

    def test_refused(self) -> None:
        """A peer that is refused is told why before its connection is closed."""
        peer = self.connect(b"GET / HTTP/1.1\r\n")
        self.assertEqual(peer.drain(), b"bad handshake\n")
        self.assertTrue(peer.write_ended)
        peer.deliver(b"Host: example.com\r\n\r\n")
        peer.end()
        self.assertEqual(self.observer.moods, [RelayMood.ERRORY])
        self.assert_nothing_left()

    def test_end_while_flushing(self) -> None:
        """A peer that closes while it is being sent what is left gets the rest."""
        leaver, stayer = self.pair()
        leaver.deliver(b"last words")
        leaver.end()
        stayer.end()
        self.assertTrue(stayer.connected)
        self.assertEqual(stayer.drain(), b"last words")
        self.assertFalse(stayer.connected)
        leaver.drain()
        self.assert_nothing_left()


class FailureTests(TcpCase):
    """Exceptions do not reach Twisted."""

    def test_contained(self) -> None:
        """The connection is closed; the exception is logged once and counted."""
        peer = self.connect()
        self.patch(self.relay, "handshake_completed", lambda *_: 1 // 0)
        peer.deliver(handshake(0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(peer.drain(), b"internal error\n")
        self.assertEqual(self.observer.errors, 1)

    def test_not_added(self) -> None:
        """A peer that cannot be added to the relay is disconnected."""
        self.patch(self.relay, "add_connection", lambda *_: 1 // 0)
        peer = self.connect()
        self.assertTrue(peer.aborted)
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertEqual(self.observer.errors, 1)
        self.assert_nothing_left()
