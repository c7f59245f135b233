"""Tests of `wormhole_websocket.auto_ping`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_websocket.auto_ping import AutoPing, AutoPingOptions


class AutoPingTests(SynchronousTestCase):
    """`AutoPing`."""

    def begin(self, timeout_seconds: float = 5.0, *, restart: bool = True) -> AutoPing:
        """Pings every 30 seconds."""
        self.clock = Clock()
        self.sent: list[bytes] = []
        self.given_up = 0
        options = AutoPingOptions(30.0, timeout_seconds, 20, restart)
        return AutoPing(self.clock, options, self.sent.append, self.give_up)

    def give_up(self) -> None:
        self.given_up += 1

    def test_answered(self) -> None:
        """Each answer starts the next interval; pings differ, and have their size."""
        ping = self.begin()
        for number in range(1, 4):
            self.clock.advance(29.9)
            self.assertEqual(len(self.sent), number - 1)
            self.clock.advance(0.1)
            self.assertEqual([len(payload) for payload in self.sent], [20] * number)
            self.clock.advance(4.0)
            ping.answered(self.sent[-1])
        self.assertEqual(len(set(self.sent)), 3)
        self.assertEqual(self.given_up, 0)

    def test_silent(self) -> None:
        """A peer that does not answer in time is given up once."""
        self.begin()
        self.clock.advance(30.0)
        self.clock.advance(4.9)
        self.assertEqual(self.given_up, 0)
        self.clock.advance(0.2)
        self.assertEqual(self.given_up, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_other_pong(self) -> None:
        """A pong that answers another ping is no answer."""
        ping = self.begin(restart=False)
        self.clock.advance(30.0)
        ping.answered(b"x" * 20)
        ping.heard()
        self.clock.advance(5.1)
        self.assertEqual(self.given_up, 1)

    def test_traffic(self) -> None:
        """Where that is wanted, anything that arrives is as good as the answer."""
        ping = self.begin()
        self.clock.advance(30.0)
        ping.heard()
        self.clock.advance(29.9)
        ping.heard()  # no ping is under way: that changes nothing
        self.assertEqual(self.given_up, 0)
        self.clock.advance(0.2)
        self.assertEqual(len(self.sent), 2)

    def test_no_timeout(self) -> None:
        """Without a timeout it waits for the answer for ever."""
        ping = self.begin(0.0)
        self.clock.advance(30.0)
        ping.heard()
        self.clock.advance(3000.0)
        self.assertEqual((len(self.sent), self.given_up), (1, 0))
        ping.answered(self.sent[0])
        self.clock.advance(30.0)
        self.assertEqual(len(self.sent), 2)

    def test_stop(self) -> None:
        """No timer is left, in whatever state, and it can be stopped again."""
        for seconds in ((), (30.0,), (30.0, 5.1)):
            ping = self.begin()
            self.clock.pump(seconds)
            ping.stop()
            ping.stop()
            self.assertEqual(self.clock.getDelayedCalls(), [])
