"""Grants in any pieces, and what a peer is sent for them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.credit import MOST_GRANTED, Credit, GrantReader
from wormhole_websocket.frames import CloseCode, Violation

INVALID, TOO_BIG = CloseCode.INVALID_DATA, CloseCode.MESSAGE_TOO_BIG

# What a client may send, and what it must not.
GOOD = {
    b"1048576": 1 << 20,
    b"0": 0,
    b"007": 7,
    b"0" * 5000 + b"1": 1,
    b"9007199254740992": MOST_GRANTED,
}
BAD = {
    b"": INVALID,
    b"-1": INVALID,
    b"+1": INVALID,
    b" 1": INVALID,
    b"1\n": INVALID,
    b"1.0": INVALID,
    b"1e6": INVALID,
    b"0x10": INVALID,
    b"1_000": INVALID,
    b"\xff": INVALID,
    "１".encode(): INVALID,
    b"9007199254740993": TOO_BIG,
    b"9" * 17: TOO_BIG,
    b"1" + b"0" * 5000: TOO_BIG,
}


def read(reader: GrantReader, text: bytes, cuts: Sequence[int] = ()) -> int | CloseCode:
    """What a reader makes of a message that arrives in these pieces."""
    pieces = [text[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(text)])]
    granted = 0
    for number, piece in enumerate(pieces, 1):
        answer = reader.feed(piece, final=number == len(pieces))
        if isinstance(answer, Violation):
            return answer.code
        if granted:
            raise AssertionError("granted before the message is whole")
        granted = answer
    return granted


class GrantReaderTests(SynchronousTestCase):
    """`GrantReader`."""

    def test_table(self) -> None:
        """A decimal number is a grant and nothing else is, wherever it is cut in two, and byte by byte."""
        for text, expected in (*GOOD.items(), *BAD.items()):
            cuts = range(min(len(text), 50) + 1)
            for cut in cuts:
                self.assertEqual(read(GrantReader(), text, [cut]), expected, (text, cut))
            self.assertEqual(read(GrantReader(), text, cuts), expected, text)

    @given(st.lists(st.integers(0, 1 << 54)), st.lists(st.integers(0, 16)))
    @example([MOST_GRANTED, 1], [])
    @example([MOST_GRANTED - 1, 1, 0, 1], [])
    def test_total(self, numbers: list[int], cuts: list[int]) -> None:
        """Grants add up, to 2**53 and no further, in any pieces."""
        reader, total = GrantReader(), 0
        for number in numbers:
            text = b"%d" % number
            total += number
            answer = read(reader, text, [min(cut, len(text)) for cut in cuts])
            if total > MOST_GRANTED:
                self.assertEqual(answer, TOO_BIG)
                break
            self.assertEqual(answer, number)

    @given(st.binary(max_size=20), st.lists(st.integers(0, 20)))
    def test_any_bytes(self, text: bytes, cuts: list[int]) -> None:
        """The pieces have no influence, but on which of two faults of a text is found first."""
        whole = read(GrantReader(), text)
        pieces = read(GrantReader(), text, [min(cut, len(text)) for cut in cuts])
        self.assertTrue(whole == pieces or {whole, pieces} == {INVALID, TOO_BIG})


class CreditTests(SynchronousTestCase):
    """`Credit`."""

    def setUp(self) -> None:
        self.sent: list[bytes] = []
        self.held = 0
        self.credit = Credit(self.sent.append, self.holds)

    def holds(self) -> None:
        self.held += 1

    def test_nothing_granted(self) -> None:
        """Without a grant nothing is sent, and it says that it holds bytes."""
        self.credit.send(b"")
        self.assertEqual(self.held, 0)
        self.credit.send(b"abc")
        self.assertEqual(self.held, 1)
        self.assertEqual((self.sent, self.credit.left, self.credit.withheld_bytes), ([], 0, 3))

    @given(st.lists(st.binary(max_size=8) | st.integers(0, 8)))
    def test_model(self, steps: list[bytes | int]) -> None:
        """Everything is sent in order, as far as the grants go and no further."""
        self.setUp()
        given_bytes, granted = b"", 0
        for step in steps:
            if isinstance(step, bytes):
                self.credit.send(step)
                given_bytes += step
            else:
                self.credit.grant(step)
                granted += step
            self.assertEqual(b"".join(self.sent), given_bytes[:granted])
            self.assertEqual(self.credit.left, max(0, granted - len(given_bytes)))
            self.assertEqual(self.credit.withheld_bytes, max(0, len(given_bytes) - granted))
        self.assertNotIn(b"", self.sent)

    def test_handed(self) -> None:
        """Another one goes on with what is left, what is held, and a grant of which half has come."""
        self.credit.grant(2)
        self.credit.grants.feed(b"1", final=False)
        self.credit.send(b"abcdef")
        self.held = 0
        following = Credit(self.sent.append, self.holds, self.credit.handed)
        self.assertEqual(self.held, 1)
        self.assertEqual((following.left, following.withheld_bytes), (0, 4))
        granted = following.grants.feed(b"2", final=True)
        assert isinstance(granted, int)
        following.grant(granted)
        self.assertEqual((self.sent, following.left), ([b"ab", b"cdef"], 8))
        self.assertEqual(Credit(self.sent.append, self.holds, following.handed).left, 8)
        self.assertEqual(self.held, 1)

    def test_spend(self) -> None:
        """What goes past it counts, too."""
        self.credit.grant(5)
        self.credit.spend(3)
        self.credit.send(b"abc")
        self.assertEqual((self.sent, self.credit.withheld_bytes), ([b"ab"], 1))

    def test_listen(self) -> None:
        """Who listens hears of grants that leave nothing held, until it listens no more."""
        heard: list[int] = []
        self.credit.listen(lambda: heard.append(self.credit.left))
        self.credit.send(b"abc")
        for _ in range(4):
            self.credit.grant(1)
        self.assertEqual(heard, [0, 1])
        self.credit.listen(None)
        self.credit.grant(1)
        self.assertEqual(len(heard), 2)

    def test_when_sent(self) -> None:
        """What waits for all to be sent is called once, with the last byte; at once if there is none."""
        calls: list[str] = []
        self.credit.when_sent(lambda: calls.append("at once"))
        self.credit.send(b"abc")
        self.credit.when_sent(lambda: calls.append("later"))
        self.credit.grant(2)
        self.assertEqual(calls, ["at once"])
        self.credit.grant(1)
        self.credit.grant(1)
        self.assertEqual(calls, ["at once", "later"])
        self.assertEqual(self.sent, [b"ab", b"c"])
