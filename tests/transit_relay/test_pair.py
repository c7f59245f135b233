"""The pair: its end, the search for idle pairs and dead peers, and the bytes counted."""

from typing import Final

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import (
    DAY_AHEAD,
    LIMITS,
    FakeObserver,
    FakeRelayTransport,
    handshake,
    make_relay,
)
from transit_relay.credit import Credit
from transit_relay.links.producer import ProducerLink
from transit_relay.observer import LinkKind, PairRecord, RelayMood
from transit_relay.session import Cause
from wormhole_twisted.timer import RepeatingTimer

DAY: Final = 86400.0


class PairCase(SynchronousTestCase):
    """Two connections, paired; the first connected 10 seconds before the second."""

    limits = LIMITS

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.observer = FakeObserver()
        self.relay = make_relay(self.clock, self.observer, self.limits)
        self.first_transport, self.second_transport = FakeRelayTransport(), FakeRelayTransport()
        self.first = self.relay.add_connection(self.first_transport)
        self.first.receive(handshake(0))
        self.clock.advance(10.0)
        self.second = self.relay.add_connection(self.second_transport)
        self.second.receive(handshake(1))

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass in steps of 10."""
        steps = int(seconds // 10)
        self.clock.pump([10.0] * steps + [seconds - 10.0 * steps])


class PartingTests(PairCase):
    """When one leaves, the other is closed."""

    def test_ok(self) -> None:
        """Each peer is sent its ok, once; the link is reported."""
        self.assertEqual(self.observer.links, [LinkKind.PRODUCER])
        self.assertEqual(
            (self.first_transport.sent, self.second_transport.sent), (b"ok\n", b"ok\n")
        )

    def test_one_leaves(self) -> None:
        """Both are finished, with what they were sent; nothing more is relayed."""
        self.first.receive(b"last words")
        self.first.peer_left()
        self.assertEqual(self.first_transport.finished, Cause.LEFT)
        self.assertEqual(self.second_transport.finished, Cause.BUDDY_LEFT)
        self.assertEqual(self.second_transport.sent, b"ok\nlast words")
        self.second.receive(b"are you there?")
        self.assertEqual(self.first_transport.sent, b"ok\n")
        self.assertIsNone(self.first_transport.producer)
        self.assertIsNone(self.second_transport.producer)

    def test_one_is_lost(self) -> None:
        """A transport that is gone is not used any more."""
        self.second.transport_lost()
        self.assertIsNone(self.second_transport.finished)
        self.assertEqual(self.first_transport.finished, Cause.BUDDY_LEFT)
        self.first.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_records(self) -> None:
        """Each record has the bytes of its connection; both have the record of the pair."""
        self.first.receive(b"x" * 1000)
        self.second.receive(b"y" * 20)
        self.clock.advance(90.0)
        self.second.peer_left()
        self.clock.advance(2.0)
        self.second.transport_lost()
        self.clock.advance(3.0)
        self.first.transport_lost()
        second, first = self.observer.records
        pair = PairRecord(
            started=DAY_AHEAD + 1000.0, waiting_seconds=10.0, total_seconds=100.0, bytes=1020
        )
        self.assertEqual((first.pair, second.pair), (pair, pair))
        self.assertEqual((first.bytes, second.bytes), (1000, 20))
        self.assertEqual((first.mood, second.mood), (RelayMood.JILTED, RelayMood.HAPPY))
        self.assertEqual((first.started, second.started), (DAY_AHEAD + 1000.0, DAY_AHEAD + 1010.0))
        self.assertEqual((first.waiting_seconds, second.waiting_seconds), (10.0, 0.0))
        self.assertEqual((first.total_seconds, second.total_seconds), (105.0, 92.0))

    def test_one_not_jilted(self) -> None:
        """Whatever ends a pair, exactly one of the two is not jilted."""
        self.relay.close_all()
        self.first.transport_lost()
        self.second.transport_lost()
        self.assertEqual(self.observer.moods, [RelayMood.HAPPY, RelayMood.JILTED])

    def test_failed(self) -> None:
        """An exception on one side closes both, and adds nothing to the streams."""
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            self.first.handle_exception()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.first_transport.finished, Cause.FAILED)
        self.assertEqual(self.second_transport.finished, Cause.BUDDY_LEFT)
        self.assertEqual(
            (self.first_transport.sent, self.second_transport.sent), (b"ok\n", b"ok\n")
        )


class BrokenLinkTests(PairCase):
    """A link that raises an exception when it is to finish."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(ProducerLink, "finish", lambda _: 1 // 0)

    def test_contained(self) -> None:
        """Both connections are closed within the time to drain, and every byte is reported."""
        self.first.receive(b"abc")
        self.first.peer_left()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((self.observer.errors, self.observer.byte_counts), (1, [3]))
        self.assertTrue(self.first_transport.aborted)
        self.wait(self.limits.drain_seconds)
        self.assertTrue(self.second_transport.aborted)


class NoLinkTests(SynchronousTestCase):
    """A pair whose link cannot be made."""

    def test_closed(self) -> None:
        """Both connections are finished, without a link to do so."""
        clock, observer = Clock(), FakeObserver()
        relay = make_relay(clock, observer, make_link=lambda *_: 1 // 0)  # type: ignore[arg-type]
        transports = FakeRelayTransport(), FakeRelayTransport()
        first, second = (relay.add_connection(each) for each in transports)
        first.receive(handshake(0))
        try:
            second.receive(handshake(1))
        except ZeroDivisionError:
            second.handle_exception()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([each.finished for each in transports], [Cause.BUDDY_LEFT, Cause.FAILED])


class VanishedTests(PairCase):
    """One peer is gone, which is not read, as the other does not take what was sent before."""

    def setUp(self) -> None:
        super().setUp()
        self.first.receive(b"x")
        self.first_transport.paused = self.first_transport.ended = True
        self.second_transport.congested = True

    def test_stalled(self) -> None:
        """The other peer has its time to drain; then both connections are closed."""
        self.wait(self.limits.drain_seconds)
        self.assertFalse(self.second_transport.aborted)
        self.wait(30.0)
        self.assertTrue(self.second_transport.aborted)
        self.assertEqual(self.first_transport.finished, Cause.LEFT)

    def test_in_good_order(self) -> None:
        """The peer that is gone is not disconnected for its silence: what is left for it is still sent."""
        self.first_transport.silent = 10_000.0
        self.wait(self.limits.drain_seconds + 30.0)
        self.assertEqual(self.first_transport.finished, Cause.LEFT)
        self.assertFalse(self.first_transport.aborted)

    def test_slow(self) -> None:
        """A peer that goes on taking bytes is not disturbed."""
        for _ in range(20):
            self.wait(30.0)
            self.first.receive(b"x")
        self.assertFalse(self.second_transport.aborted)
        self.assertIsNone(self.first_transport.finished)

    def test_rate(self) -> None:
        """While a rate of the relay is why nothing moves, no bytes are dropped."""
        self.second_transport.congested = False
        self.wait(10 * self.limits.drain_seconds)
        self.assertFalse(self.second_transport.aborted)
        self.assertIsNone(self.first_transport.finished)

    def test_credit(self) -> None:
        """A peer that grants nothing takes nothing; one with credit left is waited for."""
        self.second_transport.congested = False
        self.second_transport.credit = credit = Credit(lambda _: None, lambda: None)
        credit.grant(1)
        self.wait(10 * self.limits.drain_seconds)
        self.assertFalse(self.second_transport.aborted)
        credit.spend(1)
        self.wait(30.0)
        self.assertTrue(self.second_transport.aborted)

    def test_read(self) -> None:
        """A connection that is being read is left alone: its end will be read."""
        self.first_transport.paused = False
        self.wait(10 * self.limits.drain_seconds)
        self.assertFalse(self.second_transport.aborted)


class CountingTests(PairCase):
    """Bytes are reported in batches, and all of them in the end."""

    def test_batches(self) -> None:
        """Ten thousand pieces make a few reports, which add up."""
        for _ in range(10_000):
            self.first.receive(b"x" * 100)
        self.assertEqual(len(self.observer.byte_counts), 3)
        self.first.peer_left()
        self.assertEqual(len(self.observer.byte_counts), 4)
        self.assertEqual(sum(self.observer.byte_counts), 1_000_000)

    def test_trickle(self) -> None:
        """A few bytes are reported within half a minute."""
        self.second.receive(b"abc")
        self.assertEqual(self.observer.byte_counts, [])
        self.clock.advance(30.0)
        self.assertEqual(self.observer.byte_counts, [3])
        self.clock.advance(30.0)
        self.assertEqual(self.observer.byte_counts, [3])

    def test_no_timer_per_byte(self) -> None:
        """Moving bytes starts no timer."""
        timers = self.clock.getDelayedCalls()
        for _ in range(100):
            self.first.receive(b"x")
        self.assertEqual(self.clock.getDelayedCalls(), timers)


class IdleTests(PairCase):
    """A pair without a byte for a day is closed."""

    def test_idle(self) -> None:
        """After a day without a byte both are closed."""
        self.wait(DAY - 1.0)
        self.assertIsNone(self.first_transport.finished)
        self.wait(31.0)
        self.assertEqual(self.first_transport.finished, Cause.TIME_OVER)
        self.assertEqual(self.second_transport.finished, Cause.BUDDY_LEFT)

    def test_either_direction(self) -> None:
        """One byte in either direction starts the day anew."""
        for connections in ([self.first], [self.second], [self.first, self.second]):
            self.wait(DAY - 60.0)
            for connection in connections:
                connection.receive(b"x")
        self.wait(DAY - 60.0)
        self.assertIsNone(self.first_transport.finished)
        self.wait(100.0)
        self.assertIsNotNone(self.first_transport.finished)


class ShortIdleTests(PairCase):
    """The time is a limit."""

    limits = attrs.evolve(LIMITS, idle_seconds=5.0)

    def test_idle(self) -> None:
        """A time that is shorter than the usual interval of checks is at most doubled."""
        self.clock.advance(4.9)
        self.assertIsNone(self.first_transport.finished)
        self.clock.advance(5.0)
        self.assertIsNotNone(self.first_transport.finished)


class ChangedLimitsTests(PairCase):
    """Limits that are replaced while there is a pair."""

    def test_shorter(self) -> None:
        """A shorter time holds from the next check on, which then come more often."""
        self.relay.limits = attrs.evolve(LIMITS, idle_seconds=35.0, drain_seconds=2.0)
        self.clock.advance(30.0)
        self.clock.pump([2.0, 2.0])
        self.assertIsNone(self.first_transport.finished)
        self.clock.advance(2.0)
        self.assertEqual(self.first_transport.finished, Cause.TIME_OVER)


class DeadTests(PairCase):
    """A peer whose kernel does not answer is found, even with bytes on their way to it."""

    def test_silent(self) -> None:
        """A silence longer than keepalive allows ends the connection."""
        self.second_transport.silent = 269.0
        self.clock.advance(30.0)
        self.assertFalse(self.second_transport.aborted)
        self.second_transport.silent = 270.0
        self.clock.advance(30.0)
        self.assertTrue(self.second_transport.aborted)
        self.assertFalse(self.first_transport.aborted)

    def test_paused(self) -> None:
        """A peer that is not being read may be silent: what it sent before is still to be read."""
        self.second_transport.silent = 10_000.0
        self.second_transport.pause()
        self.wait(3600.0)
        self.assertFalse(self.second_transport.aborted)

    def test_unknown(self) -> None:
        """Where the system does not say how long peers have been silent, none is disconnected."""
        self.wait(3600.0)
        self.assertFalse(self.first_transport.aborted or self.second_transport.aborted)


class ImpatientKeepaliveTests(PairCase):
    """With a keepalive that gives up quickly."""

    limits = attrs.evolve(
        LIMITS, keepalive_idle_seconds=5, keepalive_interval_seconds=5, keepalive_count=2
    )

    def test_slow_probes(self) -> None:
        """A live peer that does not read is probed every 2 minutes, and is silent in between."""
        self.second_transport.silent = 200.0
        self.wait(60.0)
        self.assertFalse(self.second_transport.aborted)


class LookFailureTests(PairCase):
    """Exceptions in the checks."""

    def test_contained(self) -> None:
        """An exception in a check ends that pair, and is logged and counted."""
        self.patch(self.first_transport, "silent_seconds", lambda: 1 // 0)
        self.clock.advance(30.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.errors, 1)
        self.assertEqual(self.first_transport.finished, Cause.FAILED)
        self.assertEqual(self.second_transport.finished, Cause.BUDDY_LEFT)


class FailureTests(PairCase):
    """Exceptions in the checks of a pair."""

    def test_next_check(self) -> None:
        """A pair whose next check cannot be set is closed; that is logged once and counted."""
        self.patch(RepeatingTimer, "change_interval", lambda *_: 1 // 0)
        self.wait(30.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.errors, 1)
        self.assertEqual(self.first_transport.finished, Cause.FAILED)
        self.assertEqual(self.second_transport.finished, Cause.BUDDY_LEFT)
