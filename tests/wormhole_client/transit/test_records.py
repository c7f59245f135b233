"""Tests of transit records."""

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transit.records import (
    LARGEST_RECORD,
    MAC_SIZE,
    NONCE_SIZE,
    READ_BYTES,
    RecordError,
    RecordOpener,
    RecordSealer,
)

KEY = bytes(range(32))


def record(number: int, plaintext: bytes, key: bytes = KEY) -> bytes:
    """A record as the protocol describes it, made by hand."""
    nonce = number.to_bytes(24, "big")
    box = nonce + SecretBox(key).encrypt(plaintext, nonce).ciphertext
    return struct.pack(">I", len(box)) + box


class RecordTests(SynchronousTestCase):
    def test_layout(self) -> None:
        """A length of four bytes, a nonce that counts from zero, a box."""
        sealer = RecordSealer(KEY)
        self.assertEqual(sealer.seal(b"a"), record(0, b"a"))
        self.assertEqual(sealer.seal(b""), record(1, b""))

    @given(st.lists(st.binary(max_size=50), max_size=5), st.lists(st.integers(0, 500)))
    def test_any_split(self, plaintexts: list[bytes], cuts: list[int]) -> None:
        """Records come out whole and in order, however the stream is cut."""
        sealer, opener = RecordSealer(KEY), RecordOpener(KEY)
        stream = b"".join(sealer.seal(plaintext) for plaintext in plaintexts)
        places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        opened = [
            each
            for start, end in itertools.pairwise(places)
            for each in opener.feed(stream[start:end])
        ]
        self.assertEqual(opened, plaintexts)

    def test_large(self) -> None:
        """Records that are larger than what is read at a time come out whole, and so do those behind them."""
        largest = LARGEST_RECORD - NONCE_SIZE - MAC_SIZE
        plaintexts = [bytes(READ_BYTES), b"a", bytes(largest), b"b"]
        stream = b"".join(record(number, each) for number, each in enumerate(plaintexts))
        opener = RecordOpener(KEY)
        opened = []
        for start in range(0, len(stream), 100_000):
            opened += opener.feed(stream[start : start + 100_000])
        self.assertTrue(opened == plaintexts)

    def test_in_place(self) -> None:
        """Records that are made and read in place are the same."""
        sealer, opener = RecordSealer(KEY), RecordOpener(KEY)
        for number, plaintext in enumerate([b"long", b"a", b"longer"]):
            sealed = sealer.seal_in_place(plaintext)
            self.assertEqual(sealed, record(number, plaintext))
            opener.room()[: len(sealed)] = sealed
            self.assertEqual(opener.take(len(sealed)), [plaintext])

    def test_refused(self) -> None:
        """A record that is repeated, skipped, changed, of another key, too short or too long is refused."""
        good = record(0, b"a")
        changed = good[:-1] + bytes([good[-1] ^ 1])
        for name, stream in (
            ("repeated", good + good),
            ("skipped", record(1, b"a")),
            ("changed", changed),
            ("another key", record(0, b"a", bytes(32))),
            ("too short", struct.pack(">I", 24) + bytes(24)),
            ("empty", struct.pack(">I", 0)),
            ("too long", struct.pack(">I", LARGEST_RECORD + 1)),
        ):
            with self.subTest(name=name):
                self.assertRaises(RecordError, RecordOpener(KEY).feed, stream)
