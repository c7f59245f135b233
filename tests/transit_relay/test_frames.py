"""Frames: payload is told from all the rest, however the bytes are cut."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    close,
    frame,
    header,
    masked,
)
from transit_relay.frames import MARGIN, Frames, binary_header

ROOM = 1 << 18


def unmask_in(memory: bytearray, start: int, length: int, mask: bytes) -> None:
    """A mask taken off."""
    whole = (mask * (length // 4 + 1))[:length]
    number = int.from_bytes(memory[start : start + length]) ^ int.from_bytes(whole)
    memory[start : start + length] = number.to_bytes(length)


class FramesCase(SynchronousTestCase):
    """Frames, and memory to split them in."""

    def setUp(self) -> None:
        self.memory = bytearray(ROOM)
        self.frames = Frames(inside=False)

    def split(self, data: bytes) -> bytes:
        """The payload in `data`, which comes at once."""
        self.memory[MARGIN : MARGIN + len(data)] = data
        pieces = self.frames.split(
            memoryview(self.memory),
            MARGIN + len(data),
            lambda start, length, mask: unmask_in(self.memory, start, length, mask),
        )
        return b"".join(pieces)


def messages() -> st.SearchStrategy[list[tuple[bytes, bytes, bytes]]]:
    """Frames on the wire, and for each what is payload in it and what is to be set aside."""
    control = st.builds(
        lambda data, opcode: (frame(data, opcode), b"", frame(data, opcode)),
        st.binary(max_size=125),
        st.sampled_from((PING, PONG)),
    )
    data = st.binary(max_size=300)

    def fragmented(pieces: list[bytes], between: list[list[tuple[bytes, bytes, bytes]]]) -> object:
        found = []
        for number, piece in enumerate(pieces):
            opcode = CONTINUATION if number else BINARY
            found.append((frame(piece, opcode, final=number == len(pieces) - 1), piece, b""))
            if number < len(between):
                found += between[number]
        return found

    message = st.builds(
        fragmented, st.lists(data, min_size=1, max_size=3), st.lists(st.lists(control, max_size=2))
    )
    return st.lists(message, max_size=4).map(lambda found: [one for each in found for one in each])  # type: ignore[attr-defined]


class SplitTests(FramesCase):
    """`Frames.split`."""

    @given(messages(), st.lists(st.integers(1, 700), min_size=1, max_size=40))
    def test_any(self, sent: list[tuple[bytes, bytes, bytes]], cuts: list[int]) -> None:
        """All payload comes out, in order, and each control frame whole, wherever it is cut."""
        self.frames = Frames(inside=False)
        wire = b"".join(one for one, _, _ in sent)
        payload, place, number = b"", 0, 0
        while place < len(wire):
            length = cuts[number % len(cuts)]
            payload += self.split(wire[place : place + length])
            place, number = place + length, number + 1
        self.assertEqual(payload, b"".join(one for _, one, _ in sent))
        self.assertEqual(b"".join(self.frames.aside), b"".join(one for _, _, one in sent))
        self.assertFalse(self.frames.odd or self.frames.left or self.frames.held)

    def test_byte_by_byte(self) -> None:
        """Headers of each length, and control frames, may come byte by byte."""
        wire = frame(b"a") + frame(bytes(126)) + frame(b"x" * 125, PING) + frame(bytes(65536))
        payload = b"".join(self.split(bytes((byte,))) for byte in wire)
        self.assertEqual(payload, b"a" + bytes(126) + bytes(65536))
        self.assertEqual(self.frames.aside, [frame(b"x" * 125, PING)])

    def test_close(self) -> None:
        """Nothing comes after a close frame."""
        self.assertEqual(self.split(frame(b"last") + close() + frame(b"lies")), b"last")
        self.assertEqual(self.frames.aside, [close()])
        self.assertFalse(self.frames.odd)

    def test_heard(self) -> None:
        """Any byte is a sign of life."""
        self.split(frame(b"abc")[:3])
        self.assertTrue(self.frames.heard)

    def test_half_frame(self) -> None:
        """What is left of a frame, and whether its message goes on, is known at any time."""
        self.assertEqual(self.split(frame(b"x" * 100, final=False)[:16]), b"x" * 10)
        self.assertEqual((self.frames.left, self.frames.inside), (90, True))
        self.frames.left = 0
        self.split(frame(b"y", CONTINUATION)[:5])
        self.assertEqual(self.frames.held, frame(b"y", CONTINUATION)[:5])


class OddTests(FramesCase):
    """What is for Autobahn to refuse is set aside, with all that follows it."""

    def check(self, odd: bytes, *, inside: bool = False) -> None:
        self.frames = Frames(inside=inside)
        before = frame(b"fine", CONTINUATION if inside else BINARY, final=not inside)
        self.assertEqual(self.split(before + odd + frame(b"more")), b"fine")
        self.assertTrue(self.frames.odd)
        self.assertEqual(self.frames.aside, [odd + frame(b"more")])

    def test_text(self) -> None:
        """A text message."""
        self.check(frame(b"hello", TEXT))

    def test_no_mask(self) -> None:
        """A frame without a mask, of data or control."""
        self.check(header(5, mask=False) + b"hello")
        self.check(header(5, PING, mask=False) + b"hello")

    def test_reserved(self) -> None:
        """Reserved bits and opcodes."""
        for first in (0xC2, 0xA2, 0x92, 0x83, 0x8B, 0xC8):
            self.check(bytes((first, 0x80)) + MASK)

    def test_order(self) -> None:
        """A continuation of nothing, and a message within another."""
        self.check(frame(b"x", CONTINUATION))
        self.check(frame(b"x", BINARY), inside=True)

    def test_control(self) -> None:
        """Control frames that are cut or too long."""
        self.check(frame(b"x", CLOSE, final=False))
        self.check(header(126, PING) + bytes(126))

    def test_length(self) -> None:
        """Lengths that are written longer than need be, or that have the highest bit set."""
        for length, code, form in ((125, 126, "!H"), (65535, 127, "!Q"), (1 << 63, 127, "!Q")):
            self.check(bytes((0x82, 0x80 | code)) + struct.pack(form, length) + MASK)


class HeaderTests(SynchronousTestCase):
    """`binary_header`."""

    def test_lengths(self) -> None:
        """Each length has its shortest form."""
        for length in (0, 125, 126, 65535, 65536, 1 << 40):
            self.assertEqual(binary_header(length), header(length, mask=False))


class MaskedTests(SynchronousTestCase):
    """What these tests stand on."""

    def test_masked(self) -> None:
        """A mask put on and taken off leaves what was there."""
        memory = bytearray(masked(b"hello, world"))
        unmask_in(memory, 0, len(memory), MASK)
        self.assertEqual(bytes(memory), b"hello, world")
