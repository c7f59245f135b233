"""The rates of pairs, addresses and all, by the clock."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import LIMITS
from tests.wormhole_limits.fakes import BoundRecorder
from transit_relay.rates import LEAST_BYTES, Allowance, RateLimiter
from wormhole_limits.bounds import Bound

KIB = 1024
RATE = 100 * KIB


class RateCase(SynchronousTestCase):
    """A limiter."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.bounds = BoundRecorder()
        self.limiter = RateLimiter(self.clock, self.bounds)

    def pair(self, first: int, second: int, **rates: Any) -> tuple[Allowance, Allowance]:
        """The allowances of a pair from these addresses, with such limits."""
        one, other = self.limiter.allowances(attrs.evolve(LIMITS, **rates), (first, second))
        assert one is not None
        assert other is not None
        return one, other


class RateLimiterTests(RateCase):
    """`RateLimiter`."""

    def test_off(self) -> None:
        """Without a limit there is nothing to ask."""
        self.assertEqual(self.limiter.allowances(LIMITS, (7, 8)), (None, None))

    def test_pair(self) -> None:
        """Both directions of a pair share its rate; another pair has its own."""
        (one, other), (third, _) = (self.pair(7, 7, pair_rate=RATE) for _ in range(2))
        one.spend(RATE)
        self.assertEqual((one.room(), other.room(), third.room()), (0, 0, RATE))

    def test_address(self) -> None:
        """What an address sends in all pairs counts together; what it is sent does not."""
        (one, other), (third, fourth) = (
            self.pair(7, 8, address_rate=RATE),
            self.pair(7, 9, address_rate=RATE),
        )
        one.spend(RATE)
        rooms = [allowance.room() for allowance in (one, other, third, fourth)]
        self.assertEqual(rooms, [0, RATE, 0, RATE])

    def test_no_address(self) -> None:
        """Clients without an address have no limit of an address."""
        limits = attrs.evolve(LIMITS, address_rate=RATE)
        self.assertEqual(self.limiter.allowances(limits, (0, 0)), (None, None))

    def test_total(self) -> None:
        """All pairs share the rate of the relay."""
        (one, _), (_, other) = (self.pair(7, 8, total_rate=RATE), self.pair(9, 0, total_rate=RATE))
        one.spend(RATE)
        self.assertEqual(other.room(), 0)

    def test_change(self) -> None:
        """Another rate holds for pairs that had one before."""
        one, _ = self.pair(7, 8, pair_rate=RATE)
        self.pair(7, 8, pair_rate=2 * RATE)
        self.assertEqual(one.room(), 2 * RATE)

    def test_removed(self) -> None:
        """A pair whose rates were all removed may move any number of bytes, and goes on if it waits."""
        rates = ("pair_rate", "address_rate", "total_rate")
        for most in range(len(rates)):
            one, other = self.pair(7, 8, **dict.fromkeys(rates[: most + 1], RATE))
            one.spend(3 * RATE)
            calls: list[str] = []
            one.wait(partial(calls.append, "waited"))
            self.limiter.allowances(LIMITS, (7, 8))
            self.assertGreater(one.room(), 1 << 50)
            one.spend(1 << 50)
            other.wait(partial(calls.append, "not limited"))
            self.clock.advance(0.0)
            self.assertEqual(calls, ["not limited"])
            self.clock.advance(3.0)
            self.assertEqual(calls, ["not limited", "waited"])


class AllowanceTests(RateCase):
    """`Allowance`."""

    def test_wait(self) -> None:
        """Who waits is called once, when there is room again, and is reported once."""
        one, _ = self.pair(7, 8, pair_rate=RATE)
        calls: list[int] = []
        for _ in range(3):
            one.spend(one.room())
            self.assertEqual(one.room(), 0)
            for _ in range(2):
                one.wait(lambda: calls.append(one.room()))
            seconds = LEAST_BYTES / RATE
            self.clock.advance(seconds * 0.99)
            self.assertEqual(calls, [])
            self.clock.advance(seconds * 0.011)
            (room,) = calls
            self.assertGreaterEqual(room, LEAST_BYTES)
            calls.clear()
        self.assertEqual(self.bounds.met, [(Bound.RELAY_RATE, 7)])

    def test_stop(self) -> None:
        """Once stopped it calls nothing, and no timer is left."""
        one, _ = self.pair(7, 8, pair_rate=RATE)
        one.spend(RATE)
        one.wait(lambda: self.fail("called"))
        one.stop()
        one.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.lists(st.tuples(st.integers(1, 3 * RATE), st.floats(0.0, 3.0)), min_size=1))
    def test_rate(self, steps: list[tuple[int, float]]) -> None:
        """However it is asked and used, no more than a second's bytes go beyond the rate."""
        self.setUp()
        one, other = self.pair(7, 8, pair_rate=RATE)
        began, moved = self.clock.seconds(), 0
        for number, (wanted, seconds) in enumerate(steps):
            allowance = (one, other)[number % 2]
            taken = min(wanted, allowance.room())
            allowance.spend(taken)
            moved += taken
            self.assertLessEqual(moved, RATE * (1.0 + self.clock.seconds() - began) + 1)
            self.clock.advance(seconds)
