"""Tests of `wormhole_limits.buckets`."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits import buckets
from wormhole_limits.buckets import Rate, TokenBuckets

RATES = st.builds(Rate, st.floats(0.001, 1000), st.floats(1, 1000))
# Uses of buckets: how long after the one before, of which key, how many tokens, and whether it may overdraw.
USES = st.lists(
    st.tuples(st.floats(0, 100), st.integers(0, 5), st.floats(0.1, 10), st.booleans()), max_size=60
)


class Model:
    """What token buckets are, without an economy: every bucket is filled up with each use of any."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.levels: dict[int, float] = {}

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        for key, level in self.levels.items():
            self.levels[key] = min(self.rate.burst, level + seconds * self.rate.per_second)

    def level(self, key: int) -> float:
        """Return the tokens in a bucket."""
        return self.levels.get(key, self.rate.burst)


class TokenBucketsTests(SynchronousTestCase):
    def test_burst(self) -> None:
        """A bucket has its burst at once, and then as much as its rate gives it."""
        some = TokenBuckets(Rate(1, 3))
        self.assertEqual([some.take(7, 100) for _ in range(4)], [True, True, True, False])
        self.assertFalse(some.take(7, 100.5))
        self.assertTrue(some.take(7, 101))
        self.assertFalse(some.take(7, 101))

    def test_keys(self) -> None:
        """A key has nothing to do with what another has used."""
        some = TokenBuckets(Rate(1, 1))
        self.assertTrue(some.take(7, 0))
        self.assertTrue(some.take(8, 0))
        self.assertFalse(some.take(7, 0))

    def test_overdrawn(self) -> None:
        """A bucket that is overdrawn says how long it is, and gives nothing until then."""
        some = TokenBuckets(Rate(2, 10))
        self.assertEqual(some.spend(7, 0, 10), 0)
        self.assertEqual(some.spend(7, 0, 6), 3)
        self.assertEqual(some.level(7, 1), -4)
        self.assertFalse(some.take(7, 3))
        self.assertTrue(some.take(7, 3.5))

    def test_most_owed(self) -> None:
        """A bucket owes no more than it may, however much is spent."""
        some = TokenBuckets(Rate(1, 10), most_owed=5)
        for _ in range(9):
            some.spend(7, 0, 10)
        self.assertEqual(some.level(7, 0), -5)

    def test_no_limit(self) -> None:
        """Without a rate everything is given, and nothing is remembered."""
        some = TokenBuckets(None)
        self.assertTrue(some.take(7, 0, 1e9))
        self.assertEqual(some.spend(7, 0, 1e9), 0)
        self.assertEqual(some.level(7, 0), math.inf)
        self.assertEqual(len(some), 0)

    def test_changed_rate(self) -> None:
        """A rate that is changed holds from the next use on."""
        some = TokenBuckets(None)
        some.rate = Rate(1, 1)
        self.assertTrue(some.take(7, 0))
        self.assertFalse(some.take(7, 0))

    @given(RATES, USES)
    def test_model(self, rate: Rate, uses: list[tuple[float, int, float, bool]]) -> None:
        """Buckets behave as if none were ever forgotten."""
        some, model, now = TokenBuckets(rate), Model(rate), 0.0
        for seconds, key, tokens, overdraws in uses:
            now += seconds
            model.wait(seconds)
            level = model.level(key)
            self.assertAlmostEqual(some.level(key, now), level, places=5)
            if overdraws:
                model.levels[key] = level - tokens
                expected = max(0.0, (tokens - level) / rate.per_second)
                self.assertAlmostEqual(some.spend(key, now, tokens), expected, delta=0.001)
            elif abs(level - tokens) > 1e-5:
                taken = some.take(key, now, tokens)
                self.assertEqual(taken, level > tokens)
                model.levels[key] = level - tokens if taken else level

    @given(RATES, st.integers(1, 200))
    def test_forgotten(self, rate: Rate, used: int) -> None:
        """Buckets that are full again are forgotten, two with each use of another."""
        some = TokenBuckets(rate)
        for key in range(used):
            some.spend(key, 0)
        self.assertEqual(len(some), used)
        for _ in range(used // 2 + 1):
            some.spend(1000, 2e6)
        self.assertEqual(len(some), 1)

    def test_bounded(self) -> None:
        """There are never more buckets than there may be; each new key still has its own."""
        self.patch(buckets, "MAX_BUCKETS", 10)
        some = TokenBuckets(Rate(0.001, 1))
        for key in range(1000):
            self.assertTrue(some.take(key, 0))
            self.assertFalse(some.take(key, 0))
            self.assertLessEqual(len(some), 10)
