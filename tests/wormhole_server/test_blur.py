"""Tests of `wormhole_server.blur`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.blur import blur_size, blur_time


class BlurTests(SynchronousTestCase):
    def test_off(self) -> None:
        """Without a step, everything stays as it is."""
        self.assertEqual((blur_time(12.5, None), blur_size(12345, None)), (12.5, 12345))

    @given(st.floats(0, 4e9), st.integers(1, 86400))
    def test_time(self, seconds: float, step: int) -> None:
        """A time becomes the multiple of the step at or before it."""
        blurred = blur_time(seconds, step)
        self.assertEqual(blurred % step, 0)
        self.assertLessEqual(blurred, seconds)
        self.assertLess(seconds - blurred, step)

    def test_size(self) -> None:
        """A size is rounded up to two digits; nothing stays nothing."""
        for size, blurred in (
            (0, 0),
            (7, 7),
            (99, 99),
            (101, 110),
            (123_456, 130_000),
            (996, 1000),
        ):
            self.assertEqual(blur_size(size, 60), blurred)

    @given(st.integers(0, 1 << 60))
    def test_any_size(self, size: int) -> None:
        """A rounded size has two digits, and is at most a tenth too large."""
        blurred = blur_size(size, 60)
        self.assertLessEqual(len(str(blurred).rstrip("0")), 2)
        self.assertTrue(size <= blurred <= size * 1.1)
