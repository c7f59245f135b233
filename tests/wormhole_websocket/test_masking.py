"""Tests of `wormhole_websocket.masking`: both implementations, against one that anybody can read."""

from __future__ import annotations

import os
import sys
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_websocket.masking import MaskIn, mask_by_integers, masked_copy, native_mask


class MaskTests(SynchronousTestCase):
    """The functions of the type `MaskIn`, and what they make."""

    def check(self, mask_in: MaskIn, start: int, size: int, mask: bytes) -> None:
        """Nothing but the bytes between the two places is masked, in both kinds of memory."""
        memory = bytearray(os.urandom(start + size + 10))
        before = bytes(memory)
        after = (
            before[:start]
            + bytes(
                byte ^ mask[place % 4] for place, byte in enumerate(before[start : start + size])
            )
            + before[start + size :]
        )
        mask_in(memory)(start, start + size, mask)
        self.assertEqual(bytes(memory), after)
        mask_in(memoryview(memory))(start, start + size, mask)
        self.assertEqual(bytes(memory), before)
        memory.clear()  # as nothing holds it any more

    @given(st.integers(0, 300), st.integers(0, 5000), st.binary(min_size=4, max_size=4))
    def test_any(self, start: int, size: int, mask: bytes) -> None:
        """Any number of bytes is masked, from any place on."""
        native = native_mask()
        assert native is not None, "Autobahn came without its native code"
        self.check(mask_by_integers, start, size, mask)
        self.check(native, start, size, mask)

    @given(st.lists(st.tuples(st.integers(0, 50), st.binary(min_size=4, max_size=4))))
    def test_several(self, pieces: list[tuple[int, bytes]]) -> None:
        """Pieces of one memory are masked each with its own mask, which begins with the piece."""
        native = native_mask()
        assert native is not None, "Autobahn came without its native code"
        wanted = b"".join(mask * (size // 4) + mask[: size % 4] for size, mask in pieces)
        for mask_in in (mask_by_integers, native):
            memory = bytearray(len(wanted))
            apply_mask, at = mask_in(memory), 0
            for size, mask in pieces:
                apply_mask(at, at + size, mask)
                at += size
            self.assertEqual(bytes(memory), wanted)

    def test_without_native_code(self) -> None:
        """An installation of Autobahn without its native code is no error."""
        with mock.patch.dict(sys.modules, {"_nvx_xormasker": None}):
            self.assertIsNone(native_mask())

    def test_copy(self) -> None:
        """A copy is masked as in the example of RFC 6455, section 5.7; the original stays."""
        payload = b"Hello"
        masked = masked_copy(payload, b"\x37\xfa\x21\x3d")
        self.assertEqual((masked, payload), (b"\x7f\x9f\x4d\x51\x58", b"Hello"))
