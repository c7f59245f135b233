"""The link through the process: flow control by producers."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.transit_relay.fakes import FakeWire
from transit_relay.links.link import Link, Meter
from transit_relay.links.producer import ProducerLink
from transit_relay.wire import Wire


class FakeBuddy:
    """A connection as its link sees it."""

    def __init__(self) -> None:
        self.fake = FakeWire()
        self.wire: Wire = self.fake
        self.receive: Callable[[bytes], None] = self.unexpected
        self.finished = False

    def unexpected(self, data: bytes) -> None:
        raise AssertionError(data)

    def left(self) -> None:
        raise AssertionError("this link does not read")

    def failed(self) -> None:
        raise AssertionError("nothing fails here")

    def finish(self) -> None:
        self.finished = True


class ProducerLinkTests(SynchronousTestCase):
    """`ProducerLink`."""

    def setUp(self) -> None:
        self.first, self.second = FakeBuddy(), FakeBuddy()
        self.counts: list[int] = []
        self.forth, self.back = Meter(self.counts.append), Meter(self.counts.append)
        self.link: Link = ProducerLink(self.first, self.forth, self.second, self.back)
        self.link.start()

    def test_both_ways(self) -> None:
        """What one receives the other sends, and each direction is counted by itself."""
        self.first.receive(b"there")
        self.second.receive(b"and back")
        self.assertEqual((self.first.fake.sent, self.second.fake.sent), (b"and back", b"there"))
        self.assertEqual((self.forth.total, self.back.total), (5, 8))

    def test_flow_control(self) -> None:
        """A wire with too much to send stops the other from being read, and only the other."""
        for slow, fast in ((self.first, self.second), (self.second, self.first)):
            assert slow.fake.producer is not None
            slow.fake.producer.pauseProducing()
            self.assertTrue(fast.wire.paused)
            self.assertTrue(slow.wire.choked)
            self.assertFalse(slow.wire.paused or fast.wire.choked)
            slow.fake.producer.resumeProducing()
            self.assertFalse(fast.wire.paused or slow.wire.choked)

    def test_producers(self) -> None:
        """Each wire is given a push producer that outlives the loss of its consumer."""
        for buddy in (self.first, self.second):
            producer = buddy.fake.producer
            assert producer is not None
            verifyObject(IPushProducer, producer)
            producer.stopProducing()
        self.assertFalse(self.first.fake.aborted or self.second.fake.aborted)
        self.assertFalse(self.first.finished or self.second.finished)

    def test_finish(self) -> None:
        """Both buddies can be closed at once, and neither is held up by the other any more."""
        self.link.finish()
        self.assertTrue(self.first.finished and self.second.finished)
        self.assertIsNone(self.first.fake.producer)
        self.assertIsNone(self.second.fake.producer)
        self.link.abandon(self.first)


class MeterTests(SynchronousTestCase):
    """`Meter`."""

    def test_batches(self) -> None:
        """Reports come when much has passed, or when asked for; each byte is in one of them."""
        counts: list[int] = []
        meter = Meter(counts.append)
        for _ in range(600):
            meter.add(1000)
        self.assertEqual(counts, [263_000, 263_000])
        meter.report()
        meter.report()
        self.assertEqual(counts, [263_000, 263_000, 74_000])
        self.assertEqual(meter.total, 600_000)
