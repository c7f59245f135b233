"""Tests of `rendezvous.frames`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.frames import PING, pong_frame, take_messages, text_frame
from tests.rendezvous.fakes import payload_of


class FrameTests(SynchronousTestCase):
    """RFC 6455, section 5.2."""

    def test_headers(self) -> None:
        """The length takes the shortest of the three forms, on either side of their bounds."""
        for size, header in (
            (0, b"\x81\x00"),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65535, b"\x81\x7e\xff\xff"),
            (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
            (5_000_000, b"\x81\x7f\x00\x00\x00\x00\x00\x4c\x4b\x40"),
        ):
            payload = b"x" * size
            self.assertEqual(text_frame(payload), header + payload)
            self.assertEqual(payload_of(text_frame(payload)), payload)

    def test_ping(self) -> None:
        """A ping is final, unmasked and empty."""
        self.assertEqual(PING, bytes([0x80 | 0x9, 0]))

    def test_pong(self) -> None:
        """A pong is final, unmasked and carries what the ping did."""
        self.assertEqual(pong_frame(b""), bytes([0x80 | 0xA, 0]))
        self.assertEqual(pong_frame(b"x" * 125), bytes([0x80 | 0xA, 125]) + b"x" * 125)


def masked(payload: bytes, first: int = 0x81, *, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A client's frame, by RFC 6455, 5.2 and 5.3."""
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, 0xFF]) + size.to_bytes(8, "big")
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class TakeMessagesTests(SynchronousTestCase):
    """The short way for whole messages."""

    def test_whole(self) -> None:
        """Whole text and binary messages are taken, up to the first that is not whole."""
        data = masked(b"one") + masked(b"", 0x82) + masked(b"x" * 500, mask=b"\xff\0\xff\0")
        last = masked(b"last")
        for cut in range(len(last)):
            taken = take_messages(data + last[:cut], 1000)
            self.assertEqual(taken, ([b"one", b"", b"x" * 500], last[:cut]))
        self.assertEqual(take_messages(data + last, 1000)[1], b"")

    def test_not_plain(self) -> None:
        """Control frames, fragments, reserved bits, frames without a mask and long ones are left."""
        for other in (
            masked(b"x", 0x89),
            masked(b"x", 0x88),
            masked(b"x", 0x01),
            masked(b"x", 0x80),
            masked(b"x", 0xC1),
            masked(b"x", 0x83),
            text_frame(b"x" * 20),
            masked(b"x" * 70_000),
            masked(b"x" * 1001),
        ):
            data = other + masked(b"behind")
            self.assertEqual(take_messages(masked(b"a") + data, 1000), ([b"a"], data))

    def test_limit(self) -> None:
        """A message of just the limit is taken, a longer one is left."""
        for size in (10, 125, 126, 1000):
            data = masked(b"x" * size)
            self.assertEqual(take_messages(data, size), ([b"x" * size], b""))
            self.assertEqual(take_messages(data, size - 1), ([], data))

    @given(
        st.lists(st.tuples(st.binary(max_size=300), st.binary(min_size=4, max_size=4))), st.binary()
    )
    def test_any(self, sent: list[tuple[bytes, bytes]], behind: bytes) -> None:
        """Whatever the payloads and masks, what was sent is what is taken, and no byte is lost."""
        data = b"".join(masked(payload, mask=mask) for payload, mask in sent) + behind
        taken, rest = take_messages(data, 1000)
        payloads = [payload for payload, _ in sent]
        self.assertEqual(taken[: len(sent)], payloads)
        self.assertTrue(data.endswith(rest))
        self.assertLessEqual(len(rest), len(behind))
