"""Tests of `rendezvous.frames`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.frames import PING, text_frame
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
