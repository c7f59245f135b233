"""The producer link: flow control by Twisted's producers."""

import attrs
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.transit_relay.fakes import LIMITS
from tests.transit_relay.links.fakes import FakeBuddy
from transit_relay.credit import Credit
from transit_relay.link import Link, Meter
from transit_relay.links.producer import ProducerLink
from transit_relay.rates import RateLimiter
from wormhole_limits.bounds import BoundObserver


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
        """A transport with too much to send stops the other from being read, and only the other."""
        for slow, fast in ((self.first, self.second), (self.second, self.first)):
            assert slow.fake.producer is not None
            slow.fake.producer.pauseProducing()
            self.assertTrue(fast.transport.paused)
            self.assertTrue(slow.transport.congested)
            self.assertFalse(slow.transport.paused or fast.transport.congested)
            slow.fake.producer.resumeProducing()
            self.assertFalse(fast.transport.paused or slow.transport.congested)

    def test_credit(self) -> None:
        """A source is read while nothing is held for its target and that is not congested."""
        credit = self.second.fake.credit = Credit(self.second.fake.write, lambda: None)
        self.link = ProducerLink(self.first, self.forth, self.second, self.back)
        self.link.start()
        assert self.second.fake.producer is not None
        self.first.receive(b"abcdef")
        self.assertEqual((self.second.fake.sent, self.first.fake.paused), (b"", True))
        self.assertFalse(self.second.fake.paused or self.second.fake.congested)
        self.second.fake.producer.resumeProducing()
        self.assertTrue(self.first.fake.paused)
        credit.grant(4)
        self.assertEqual((self.second.fake.sent, self.first.fake.paused), (b"abcd", True))
        self.second.fake.producer.pauseProducing()
        credit.grant(2)
        self.assertEqual((self.second.fake.sent, self.first.fake.paused), (b"abcdef", True))
        self.second.fake.producer.resumeProducing()
        self.assertFalse(self.first.fake.paused)
        self.link.finish()
        self.first.fake.pause()
        credit.grant(1)
        self.assertTrue(self.first.fake.paused)

    def test_rate(self) -> None:
        """A source that has sent as much as its rate allows is read again in time, if nothing else waits."""
        clock = Clock()
        limiter = RateLimiter(clock, BoundObserver())
        self.forth.allowance, _ = limiter.allowances(attrs.evolve(LIMITS, pair_rate=65536), (0, 0))
        assert self.second.fake.producer is not None
        self.first.receive(bytes(65536))
        self.assertEqual((len(self.second.fake.sent), self.first.fake.paused), (65536, True))
        self.second.fake.producer.pauseProducing()
        self.second.fake.producer.resumeProducing()
        self.assertTrue(self.first.fake.paused)
        self.second.fake.producer.pauseProducing()
        clock.advance(1.0)
        self.assertTrue(self.first.fake.paused)
        self.second.fake.producer.resumeProducing()
        self.assertFalse(self.first.fake.paused)
        self.first.receive(bytes(65536))
        clock.advance(0.5)
        self.assertFalse(self.first.fake.paused)
        self.first.receive(bytes(32768))
        self.link.finish()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_exception(self) -> None:
        """A transport that cannot be read again closes its own connection, not the slow one."""
        producer = self.second.fake.producer
        assert producer is not None
        self.patch(self.first.fake, "resume", lambda: 1 // 0)
        producer.resumeProducing()
        self.assertEqual((self.first.exceptions, self.second.exceptions), (1, 0))

    def test_producers(self) -> None:
        """Each transport is given a push producer that outlives the loss of its consumer."""
        for buddy in (self.first, self.second):
            producer = buddy.fake.producer
            assert producer is not None
            verifyObject(IPushProducer, producer)
            producer.stopProducing()
        self.assertFalse(self.first.fake.aborted or self.second.fake.aborted)
        self.assertFalse(self.first.finished or self.second.finished)

    def test_finish(self) -> None:
        """Both buddies can be closed at once, and no transport has a producer any more."""
        self.link.finish()
        self.assertTrue(self.first.finished and self.second.finished)
        self.assertIsNone(self.first.fake.producer)
        self.assertIsNone(self.second.fake.producer)
