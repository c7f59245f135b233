"""The relay over TCP, on transports in memory: flow control, and how connections are closed."""

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.transit_relay.fakes import FakeTransport, Notes, handshake
from transit_relay.observer import Mood
from transit_relay.relay import Live, Relay
from transit_relay.tcp import TransitFactory, TransitProtocol


class TcpCase(SynchronousTestCase):
    """A relay that peers reach by way of a factory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.notes = Notes()
        self.relay = Relay(self.clock, observer=self.notes)
        self.factory = TransitFactory(self.relay)

    def connect(self, *data: bytes) -> FakeTransport:
        """A peer that has come, and sent `data`."""
        transport = FakeTransport(self.clock)
        transport.connect(self.factory.buildProtocol(None))
        for piece in data:
            transport.deliver(piece)
        return transport

    def pair(self) -> tuple[FakeTransport, FakeTransport]:
        """Two that have taken their ok."""
        first, second = self.connect(handshake(0)), self.connect(handshake(1))
        self.assertEqual((first.drain(), second.drain()), (b"ok\n", b"ok\n"))
        return first, second

    def assert_nothing_left(self) -> None:
        """No connection, no timer."""
        self.assertEqual(self.relay.live, Live(0, 0, 0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class StreamTests(TcpCase):
    """What a peer sends, and what it gets."""

    def test_interfaces(self) -> None:
        """The protocol is what it says it is."""
        verifyObject(IHalfCloseableProtocol, TransitProtocol(self.relay))

    def test_byte_by_byte(self) -> None:
        """A handshake may come in any pieces."""
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
        """One that waits is still read, so that its departure is noticed."""
        waiting = self.connect(handshake(0))
        waiting.end()
        waiting.drain()
        self.assertEqual(self.notes.moods, [Mood.LONELY])
        self.assert_nothing_left()


class FlowTests(TcpCase):
    """A buddy that does not read stops the other from being read."""

    def test_stalled(self) -> None:
        """What is held for a stalled peer is bounded, and what it sends itself still flows."""
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
        """Two peers that both only send hold each other up, and nothing else."""
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


class ClosingTests(TcpCase):
    """One side gone: what it had sent is flushed to the other, then the other is closed."""

    def test_flushed_then_closed(self) -> None:
        """The other gets all, then the end, and goes with its own end."""
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
        self.assertEqual(self.notes.moods, [Mood.HAPPY, Mood.JILTED])
        self.assert_nothing_left()

    def test_half_close(self) -> None:
        """One that closes its own direction only still gets what was on its way to it."""
        leaver, stayer = self.pair()
        stayer.deliver(b"for you")
        leaver.end()
        self.assertEqual(leaver.drain(), b"for you")
        self.assertFalse(leaver.connected)

    def test_no_more_is_taken(self) -> None:
        """What the other goes on sending is read, so that it can hear, and dropped."""
        leaver, stayer = self.pair()
        leaver.end()
        stayer.deliver(b"x" * 1_000_000)
        self.assertEqual(leaver.drain(), b"")

    def test_other_does_not_close(self) -> None:
        """One that was given all and told of the end is closed after 5 seconds, gently."""
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
        """One that does not take what is left is cut off after a minute."""
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
        """One that has closed its own direction, and does not read, is cut off as well."""
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
        """Its death is seen as soon as the receiver has drained; then both go, with every byte."""
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
        """When a stalled receiver is gone, the sender that is not being read goes too."""
        sender, receiver = self.pair()
        while sender.reading:
            sender.deliver(b"x" * 65536)
        receiver.reset()
        sender.drain()
        self.clock.advance(5.1)
        self.assertFalse(sender.connected)
        self.assert_nothing_left()

    def test_refused(self) -> None:
        """One that is refused is told why before its connection is closed."""
        peer = self.connect(b"GET / HTTP/1.1\r\n")
        self.assertEqual(peer.drain(), b"bad handshake\n")
        self.assertTrue(peer.write_ended)
        peer.deliver(b"Host: example.com\r\n\r\n")
        peer.end()
        self.assertEqual(self.notes.moods, [Mood.ERRORY])
        self.assert_nothing_left()

    def test_end_while_flushing(self) -> None:
        """One that closes while it is still being sent what is left gets the rest."""
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
    """An exception never gets as far as Twisted."""

    def test_contained(self) -> None:
        """The connection in which it happens is closed; it is logged once."""
        peer = self.connect()
        self.patch(self.relay, "arrived", lambda *_: 1 // 0)
        peer.deliver(handshake(0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(peer.drain(), b"internal error\n")
        self.assertEqual(self.notes.errors, 1)
