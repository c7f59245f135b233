"""A pair: its end, the search for the idle and the dead, and what is counted."""

from typing import Final

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import FakeWire, Notes, handshake
from transit_relay.limits import Limits
from transit_relay.observer import Mood, PairRecord
from transit_relay.relay import Relay
from transit_relay.session import Cause

DAY: Final = 86400.0


class PairCase(SynchronousTestCase):
    """Two wires, paired: the first came 10 seconds before the second."""

    limits = Limits()

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.notes = Notes()
        self.relay = Relay(self.clock, self.limits, self.notes)
        self.first_wire, self.second_wire = FakeWire(), FakeWire()
        self.first = self.relay.connected(self.first_wire)
        self.first.receive(handshake(0))
        self.clock.advance(10.0)
        self.second = self.relay.connected(self.second_wire)
        self.second.receive(handshake(1))

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass, as timers would see them."""
        steps = int(seconds // 10)
        self.clock.pump([10.0] * steps + [seconds - 10.0 * steps])


class PartingTests(PairCase):
    """When one leaves, the other is closed."""

    def test_ok(self) -> None:
        """Both are told ok, once."""
        self.assertEqual((self.first_wire.sent, self.second_wire.sent), (b"ok\n", b"ok\n"))

    def test_one_leaves(self) -> None:
        """Both are finished, with what they were sent; nothing more of either is handed on."""
        self.first.receive(b"last words")
        self.first.left()
        self.assertEqual(self.first_wire.finished, Cause.LEFT)
        self.assertEqual(self.second_wire.finished, Cause.BUDDY_LEFT)
        self.assertEqual(self.second_wire.sent, b"ok\nlast words")
        self.second.receive(b"are you there?")
        self.assertEqual(self.first_wire.sent, b"ok\n")
        self.assertIsNone(self.first_wire.producer)
        self.assertIsNone(self.second_wire.producer)

    def test_one_is_lost(self) -> None:
        """A wire that is gone is not asked for anything more."""
        self.second.lost()
        self.assertIsNone(self.second_wire.finished)
        self.assertEqual(self.first_wire.finished, Cause.BUDDY_LEFT)
        self.first.lost()
        self.assertEqual(self.notes.moods, [Mood.HAPPY, Mood.JILTED])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_records(self) -> None:
        """Each record has what its connection sent; both have what the pair was."""
        self.first.receive(b"x" * 1000)
        self.second.receive(b"y" * 20)
        self.clock.advance(90.0)
        self.second.left()
        self.clock.advance(2.0)
        self.second.lost()
        self.clock.advance(3.0)
        self.first.lost()
        second, first = self.notes.records
        pair = PairRecord(started=1000.0, waiting_seconds=10.0, total_seconds=100.0, bytes=1020)
        self.assertEqual((first.pair, second.pair), (pair, pair))
        self.assertEqual((first.bytes, second.bytes), (1000, 20))
        self.assertEqual((first.mood, second.mood), (Mood.JILTED, Mood.HAPPY))
        self.assertEqual((first.started, second.started), (1000.0, 1010.0))
        self.assertEqual((first.waiting_seconds, second.waiting_seconds), (10.0, 0.0))
        self.assertEqual((first.total_seconds, second.total_seconds), (105.0, 92.0))

    def test_one_not_jilted(self) -> None:
        """Whatever ends a pair, exactly one of the two is not jilted."""
        self.relay.close_all()
        self.first.lost()
        self.second.lost()
        self.assertEqual(self.notes.moods, [Mood.HAPPY, Mood.JILTED])

    def test_failed(self) -> None:
        """A failure of ours on one side closes both, without a word into the streams."""
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            self.first.failed()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.first_wire.finished, Cause.FAILED)
        self.assertEqual(self.second_wire.finished, Cause.BUDDY_LEFT)
        self.assertEqual((self.first_wire.sent, self.second_wire.sent), (b"ok\n", b"ok\n"))


class VanishedTests(PairCase):
    """One has gone, and nobody reads that, as the other does not take what came before."""

    def setUp(self) -> None:
        super().setUp()
        self.first.receive(b"x")
        self.first_wire.paused = self.first_wire.ended = True

    def test_stalled(self) -> None:
        """The stayer has the time to drain, and looks are as frequent as need be; then both go."""
        self.wait(self.limits.drain_seconds)
        self.assertFalse(self.second_wire.aborted)
        self.wait(30.0)
        self.assertTrue(self.second_wire.aborted)
        self.assertEqual(self.first_wire.finished, Cause.LEFT)

    def test_slow(self) -> None:
        """A stayer that goes on taking is left to it."""
        for _ in range(20):
            self.wait(30.0)
            self.first.receive(b"x")
        self.assertFalse(self.second_wire.aborted)
        self.assertIsNone(self.first_wire.finished)

    def test_read(self) -> None:
        """Who is being read will be heard to leave: nothing is left behind for a look to find."""
        self.first_wire.paused = False
        self.wait(10 * self.limits.drain_seconds)
        self.assertFalse(self.second_wire.aborted)


class CountingTests(PairCase):
    """Bytes are told in batches, and all of them in the end."""

    def test_batches(self) -> None:
        """Ten thousand pieces make a few reports, which add up."""
        for _ in range(10_000):
            self.first.receive(b"x" * 100)
        self.assertEqual(len(self.notes.byte_counts), 3)
        self.first.left()
        self.assertEqual(len(self.notes.byte_counts), 4)
        self.assertEqual(sum(self.notes.byte_counts), 1_000_000)

    def test_trickle(self) -> None:
        """A few bytes are told within half a minute."""
        self.second.receive(b"abc")
        self.assertEqual(self.notes.byte_counts, [])
        self.clock.advance(30.0)
        self.assertEqual(self.notes.byte_counts, [3])
        self.clock.advance(30.0)
        self.assertEqual(self.notes.byte_counts, [3])

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
        self.assertIsNone(self.first_wire.finished)
        self.wait(31.0)
        self.assertEqual(self.first_wire.finished, Cause.TIME_OVER)
        self.assertEqual(self.second_wire.finished, Cause.BUDDY_LEFT)

    def test_either_direction(self) -> None:
        """One byte in either direction starts the day anew."""
        for connection in (self.first, self.second):
            self.wait(DAY - 60.0)
            connection.receive(b"x")
        self.wait(DAY - 60.0)
        self.assertIsNone(self.first_wire.finished)
        self.wait(100.0)
        self.assertIsNotNone(self.first_wire.finished)


class ShortIdleTests(PairCase):
    """The time is a setting."""

    limits = Limits(idle_seconds=5.0)

    def test_idle(self) -> None:
        """A pair is closed after at most twice a time that is shorter than the usual look."""
        self.clock.advance(4.9)
        self.assertIsNone(self.first_wire.finished)
        self.clock.advance(5.0)
        self.assertIsNotNone(self.first_wire.finished)


class DeadTests(PairCase):
    """A peer whose kernel does not answer is found, also with bytes on their way to it."""

    def test_silent(self) -> None:
        """A silence longer than keepalive would bear ends the connection."""
        self.second_wire.silent_for = 269.0
        self.clock.advance(30.0)
        self.assertFalse(self.second_wire.aborted)
        self.second_wire.silent_for = 271.0
        self.clock.advance(30.0)
        self.assertTrue(self.second_wire.aborted)
        self.assertFalse(self.first_wire.aborted)

    def test_paused(self) -> None:
        """One that is not being read may be silent: what it sent before is still to be had."""
        self.second_wire.silent_for = 10_000.0
        self.second_wire.pause()
        self.wait(3600.0)
        self.assertFalse(self.second_wire.aborted)

    def test_unknown(self) -> None:
        """Where nobody knows, nobody is cut off."""
        self.wait(3600.0)
        self.assertFalse(self.first_wire.aborted or self.second_wire.aborted)


class ImpatientKeepaliveTests(PairCase):
    """With a keepalive that gives up quickly."""

    limits = Limits(keepalive_idle_seconds=5, keepalive_interval_seconds=5, keepalive_count=2)

    def test_slow_probes(self) -> None:
        """A live peer that does not read is probed every 2 minutes, and no silence between."""
        self.second_wire.silent_for = 200.0
        self.wait(60.0)
        self.assertFalse(self.second_wire.aborted)


class LookFailureTests(PairCase):
    """What goes wrong in the timer."""

    def test_contained(self) -> None:
        """An exception while a pair is looked at ends that pair, and is logged and counted."""
        self.patch(self.first_wire, "silence", lambda: 1 // 0)
        self.clock.advance(30.0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.notes.errors, 1)
        self.assertEqual(self.first_wire.finished, Cause.FAILED)
        self.assertEqual(self.second_wire.finished, Cause.BUDDY_LEFT)
