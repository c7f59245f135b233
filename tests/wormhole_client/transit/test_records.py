"""Tests of transit records."""

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transit.records import LARGEST_RECORD, RecordError, RecordOpener, RecordSealer

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
