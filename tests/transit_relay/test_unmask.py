"""Masks are taken off in place, and nothing else is touched."""

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.unmask import unmasker


class UnmaskTests(SynchronousTestCase):
    """`unmasker`."""

    @given(st.integers(0, 300), st.integers(0, 5000), st.binary(min_size=4, max_size=4))
    def test_any(self, start: int, length: int, mask: bytes) -> None:
        """Any length, from any place on."""
        memory = bytearray(os.urandom(6000))
        before = bytes(memory)
        unmask = unmasker(memory)
        assert unmask is not None, "Autobahn came without its native code"
        unmask(start, length, mask)
        end = start + length
        self.assertEqual(
            bytes(memory),
            before[:start]
            + bytes(byte ^ mask[place % 4] for place, byte in enumerate(before[start:end]))
            + before[end:],
        )
