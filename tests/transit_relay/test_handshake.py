"""The handshake parser, for every split and for anything but a handshake."""

import itertools
from typing import Final

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.handshake import (
    LONGEST,
    NEED_MORE,
    Handshake,
    HandshakeRefusal,
    NeedMore,
    Request,
)

HEX: Final = "0123456789abcdefABCDEF"
BEGIN: Final = b"please relay "

tokens: Final = st.text(HEX, min_size=64, max_size=64).map(str.encode)
sides: Final = st.none() | st.text(HEX, min_size=16, max_size=16).map(str.encode)

Answer = Request | NeedMore | HandshakeRefusal


def line(token: bytes, side: bytes | None) -> bytes:
    return BEGIN + token + (b"" if side is None else b" for side " + side) + b"\n"


def request(token: bytes, side: bytes | None) -> tuple[bytes, bytes | None]:
    """The values of the digits."""
    return bytes.fromhex(token.decode()), None if side is None else bytes.fromhex(side.decode())


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in pieces, some of which may be empty."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def feed(pieces: list[bytes]) -> tuple[Answer, int]:
    """The first answer that ends the handshake, and how many pieces it took."""
    parser = Handshake()
    for number, piece in enumerate(pieces, start=1):
        answer = parser.feed(piece)
        if answer is not NEED_MORE:
            return answer, number
    return NEED_MORE, len(pieces)


class HandshakeTests(SynchronousTestCase):
    """`Handshake`."""

    @given(tokens, sides, st.lists(st.integers(0, 1000), max_size=20))
    def test_any_split(self, token: bytes, side: bytes | None, cuts: list[int]) -> None:
        """However a handshake is split, it is accepted with its newline, and not before."""
        pieces = split(line(token, side), cuts)
        answer, taken = feed(pieces)
        assert isinstance(answer, Request)
        self.assertEqual((answer.token, answer.side), request(token, side))
        self.assertEqual(b"".join(pieces[:taken])[-1:], b"\n")
        self.assertEqual(b"".join(pieces[taken:]), b"")

    @given(tokens, sides.filter(bool), st.lists(st.integers(0, 1000), max_size=20))
    def test_without_the_word_side(self, token: bytes, side: bytes, cuts: list[int]) -> None:
        """`for SIDE` is taken for the same as `for side SIDE`, however it is split."""
        answer, _ = feed(split(BEGIN + token + b" for " + side + b"\n", cuts))
        assert isinstance(answer, Request)
        self.assertEqual((answer.token, answer.side), request(token, side))

    @given(tokens, sides)
    def test_byte_by_byte(self, token: bytes, side: bytes | None) -> None:
        """A handshake that arrives byte by byte is accepted once, at its newline."""
        whole = line(token, side)
        answer, taken = feed([whole[place : place + 1] for place in range(len(whole))])
        self.assertIsInstance(answer, Request)
        self.assertEqual(taken, len(whole))

    @given(tokens, sides, st.lists(st.integers(0, 1000), max_size=5), st.binary(min_size=1))
    def test_bytes_after_it(
        self, token: bytes, side: bytes | None, cuts: list[int], more: bytes
    ) -> None:
        """A peer whose bytes go on after the newline has not waited for its ok."""
        *pieces, last = split(line(token, side), cuts)
        assume(last)
        answer, taken = feed([*pieces, last + more])
        self.assertIs(answer, HandshakeRefusal.IMPATIENT)
        self.assertEqual(taken, len(pieces) + 1)

    @given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=20))
    @example(b"\n", [])
    @example(b"GET / HTTP/1.1\r\n\r\n", [])
    @example(line(b"0" * 64, b"0" * 16)[:-1] + b"\r\n", [])
    @example(line(b"0" * 63, b"0" * 16), [])
    @example(line(b"0" * 65, b"0" * 16), [])
    @example(line(b"0" * 64, b"0" * 15), [])
    @example(line(b"0" * 64, b"0" * 17), [])
    @example(line(b"0" * 63 + b"g", None), [])
    @example(line("٣".encode() * 32, None), [])
    @example(BEGIN + b"0" * 64 + b" for sid " + b"0" * 16 + b"\n", [])
    @example(BEGIN.upper() + b"0" * 64 + b"\n", [])
    @example(b" " + line(b"0" * 64, None), [])
    @example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [])
    @example(b"a" * 3000, [1024])
    def test_anything_else(self, data: bytes, cuts: list[int]) -> None:
        """Bytes that do not begin a handshake are refused, however they are split."""
        assume(not line(b"0" * 64, None).startswith(data))
        assume(not data.startswith(BEGIN + b"0" * 64 + b"\n"))
        answer, _ = feed(split(data, cuts))
        self.assertIs(answer, HandshakeRefusal.BAD_HANDSHAKE)

    @given(tokens, sides, st.integers(0, LONGEST), st.integers(0, 255))
    def test_one_wrong_byte(self, token: bytes, side: bytes | None, place: int, wrong: int) -> None:
        """A wrong byte is refused as soon as it comes, without waiting for a newline."""
        whole = line(token, side)
        assume(place < len(whole))
        spoilt = whole[:place] + bytes([wrong])
        hex_digits = HEX.encode()
        assume(not (whole[place] in hex_digits and wrong in hex_digits))
        after_token = place == len(BEGIN) + 64
        assume(wrong not in (b" \n" if after_token else whole[place : place + 1]))
        # The word "side" may be left out.
        assume(not (place == len(BEGIN) + 64 + len(b" for ") and wrong in hex_digits))
        self.assertIs(Handshake().feed(spoilt), HandshakeRefusal.BAD_HANDSHAKE)

    @given(tokens, sides)
    def test_every_beginning(self, token: bytes, side: bytes | None) -> None:
        """Each beginning of a handshake, down to no byte at all, is waited on."""
        whole = line(token, side)
        for length in range(len(whole)):
            self.assertIs(Handshake().feed(whole[:length]), NEED_MORE)

    def test_case(self) -> None:
        """Digits in upper and lower case mean the same token and side."""
        lower, _ = feed([line(b"ab" * 32, b"cd" * 8)])
        upper, _ = feed([line(b"AB" * 32, b"CD" * 8)])
        self.assertIsInstance(lower, Request)
        self.assertEqual(lower, upper)

    def test_longest(self) -> None:
        """The longest handshake is the one with a side, spelled out."""
        self.assertEqual(len(line(b"0" * 64, b"0" * 16)), LONGEST)

    def test_memory(self) -> None:
        """No more is held than a handshake is long, whatever is sent."""
        parser = Handshake()
        parser.feed(BEGIN + b"0" * 64 + b" for side " + b"0" * 16)
        self.assertIs(parser.feed(b"0" * 10_000_000), HandshakeRefusal.BAD_HANDSHAKE)
        self.assertLessEqual(len(parser._held), LONGEST)


class MessageTests(SynchronousTestCase):
    """`Handshake.message_ended`: over WebSocket the end of the message is as good as a newline."""

    @given(tokens, sides, st.lists(st.integers(0, 1000), max_size=5))
    def test_without_newline(self, token: bytes, side: bytes | None, cuts: list[int]) -> None:
        """A message that is a handshake but for its newline is accepted at its end."""
        parser = Handshake()
        for piece in split(line(token, side)[:-1], cuts):
            self.assertIs(parser.feed(piece), NEED_MORE)
        answer = parser.message_ended()
        assert isinstance(answer, Request)
        self.assertEqual((answer.token, answer.side), request(token, side))

    @given(tokens, sides, st.integers(0, LONGEST))
    def test_unfinished(self, token: bytes, side: bytes | None, length: int) -> None:
        """A message that ends within a handshake is refused; an empty message is one of those."""
        start = line(token, side)[:length]
        assume(not start.endswith(b"\n"))
        assume(len(start) not in {len(BEGIN) + 64, LONGEST - 1})
        parser = Handshake()
        self.assertIs(parser.feed(start), NEED_MORE)
        self.assertIs(parser.message_ended(), HandshakeRefusal.BAD_HANDSHAKE)
