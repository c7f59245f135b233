"""Tests of hashcash stamps, as the client computes them."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.stamps import mint_stamp
from wormhole_limits.stamps import StampRequirement

NOW = 1_795_703_415.0  # 2026-11-26 14:30:15 UTC


class MintStampTests(SynchronousTestCase):
    def test_form(self) -> None:
        """A stamp has the form of version 1, its date in UTC, and a counter in hex."""
        self.assertRegex(
            str(mint_stamp(4, "res", NOW, "abc", lambda: False)),
            "^1:4:261126143015:res::abc:[0-9a-f]+$",
        )

    @given(st.integers(0, 10), st.text("0123456789abcdef", max_size=40))
    def test_counts(self, bits: int, resource: str) -> None:
        """The server that asked for a stamp takes it."""
        stamp = mint_stamp(bits, resource, NOW, "abc", lambda: False)
        assert stamp is not None
        StampRequirement(bits, resource).check(stamp, NOW)

    def test_stopped(self) -> None:
        """The search ends soon when it is told so, without a stamp."""
        asked = count()
        self.assertIsNone(mint_stamp(160, "res", NOW, "abc", lambda: next(asked) == 2))
        self.assertEqual(next(asked), 3)
