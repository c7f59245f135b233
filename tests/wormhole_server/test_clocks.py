"""Tests of `wormhole_server.clocks`."""

from __future__ import annotations

from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.clocks import ClockOfDay, Steady, keep_steady


class SteadyTests(SynchronousTestCase):
    def test_jumps(self) -> None:
        """It begins with the time of day, and does not follow when that jumps."""
        day, passed = 1_000_000.0, 50.0
        steady = Steady(lambda: day, lambda: passed)
        self.assertEqual(steady(), 1_000_000.0)
        day, passed = 900_000.0, 57.5
        self.assertEqual(steady(), 1_000_007.5)

    def test_reactor(self) -> None:
        """A reactor's timers run by it, also those that were set before; a second time changes nothing."""
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        before = reactor.callLater(10, lambda: None)
        keep_steady(reactor)
        steady = reactor.seconds
        after = reactor.callLater(10, lambda: None)
        self.assertIsInstance(steady, Steady)
        self.assertLess(abs(after.getTime() - before.getTime()), 5)
        keep_steady(reactor)
        self.assertIs(reactor.seconds, steady)


class ClockOfDayTests(SynchronousTestCase):
    def test_jumps(self) -> None:
        """It tells the time of day, but its timers are the reactor's."""
        reactor = Clock()
        reactor.advance(1_000_000)
        day = 1_000_000.0
        clock = ClockOfDay(reactor, lambda: day)
        rang: list[str] = []
        call = clock.callLater(60, rang.append, "rang")
        self.assertEqual(clock.getDelayedCalls(), [call])
        day = 1_086_400.0
        reactor.advance(59)
        self.assertEqual((clock.seconds(), rang), (1_086_400.0, []))
        self.assertEqual(clock.ahead(), 86_400.0 - 59)
        reactor.advance(1)
        self.assertEqual(rang, ["rang"])
