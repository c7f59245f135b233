"""Tests of the cryptography, against values that are computed here in another way."""

import hashlib
import hmac
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.errors import WrongPasswordError
from wormhole_client.keys import (
    KeyExchange,
    TransitKeys,
    decrypt,
    derive,
    derive_for,
    encrypt,
    phase_key,
    verifier,
)

KEY = bytes(range(32))


def hkdf(key: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869 with SHA-256 and no salt, as the RFC writes it."""
    extracted = hmac.new(bytes(32), key, hashlib.sha256).digest()
    out = block = b""
    counter = 1
    while len(out) < length:
        block = hmac.new(extracted, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
        counter += 1
    return out[:length]


class DeriveTests(SynchronousTestCase):
    def test_rfc_5869(self) -> None:
        """Test case 3 of the RFC, which has neither salt nor info."""
        expected = (
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        )
        self.assertEqual(derive(b"\x0b" * 22, b"", 42).hex(), expected)

    @given(st.binary(min_size=1), st.binary(), st.integers(1, 200))
    def test_any(self, key: bytes, purpose: bytes, length: int) -> None:
        """Equal to HKDF as it is written in the RFC."""
        self.assertEqual(derive(key, purpose, length), hkdf(key, purpose, length))

    def test_purposes(self) -> None:
        """Each key of the protocol is derived for the purpose that the protocol names."""
        sides = hashlib.sha256(b"side").digest() + hashlib.sha256(b"phase").digest()
        self.assertEqual(phase_key(KEY, "side", "phase"), hkdf(KEY, b"wormhole:phase:" + sides))
        self.assertEqual(verifier(KEY), hkdf(KEY, b"wormhole:verifier"))
        keys = TransitKeys(KEY)
        self.assertEqual(keys.relay_token(), hkdf(KEY, b"transit_relay_token").hex())
        self.assertEqual(
            keys.handshake(sender=True),
            b"transit sender " + hkdf(KEY, b"transit_sender").hex().encode() + b" ready\n\n",
        )
        self.assertEqual(
            keys.handshake(sender=False),
            b"transit receiver " + hkdf(KEY, b"transit_receiver").hex().encode() + b" ready\n\n",
        )
        self.assertEqual(keys.records(sender=True), hkdf(KEY, b"transit_record_sender_key"))
        self.assertEqual(keys.records(sender=False), hkdf(KEY, b"transit_record_receiver_key"))

    def test_normalised(self) -> None:
        """A purpose in decomposed letters gives the same key as in composed ones."""
        composed = "é"
        decomposed = unicodedata.normalize("NFD", composed)
        self.assertNotEqual(composed, decomposed)
        self.assertEqual(derive_for(KEY, composed), derive_for(KEY, decomposed))


class BoxTests(SynchronousTestCase):
    def test_layout(self) -> None:
        """A box is a nonce of 24 bytes and what NaCl makes of it."""
        box = encrypt(KEY, b"hello")
        self.assertEqual(SecretBox(KEY).decrypt(box[24:], box[:24]), b"hello")
        self.assertNotEqual(box, encrypt(KEY, b"hello"))

    @given(st.binary())
    def test_round_trip(self, plaintext: bytes) -> None:
        """What was encrypted comes back."""
        self.assertEqual(decrypt(KEY, encrypt(KEY, plaintext)), plaintext)

    @given(st.binary(max_size=100))
    def test_garbage(self, box: bytes) -> None:
        """Any other bytes are a wrong password, and no other error."""
        self.assertRaises(WrongPasswordError, decrypt, KEY, box)


class ExchangeTests(SynchronousTestCase):
    def test_same_code(self) -> None:
        """Two ends with one code have one key, whichever Unicode form they typed."""
        ours, theirs = KeyExchange.start("4-é", "app"), KeyExchange.start("4-é", "app")
        self.assertEqual(ours.finish(theirs.message), theirs.finish(ours.message))

    def test_different(self) -> None:
        """Another code, or another application, has another key."""
        ours = KeyExchange.start("4-a", "app")
        for theirs in (KeyExchange.start("4-b", "app"), KeyExchange.start("4-a", "other")):
            key = theirs.finish(ours.message)
            self.assertNotEqual(KeyExchange.restore(ours.save()).finish(theirs.message), key)

    def test_restored(self) -> None:
        """An exchange goes on in another process, with the same message and key."""
        ours, theirs = KeyExchange.start("4-a", "app"), KeyExchange.start("4-a", "app")
        restored = KeyExchange.restore(ours.save())
        self.assertEqual(restored.message, ours.message)
        self.assertEqual(restored.finish(theirs.message), theirs.finish(ours.message))

    def test_not_saved(self) -> None:
        """Text that is no saved exchange is refused."""
        for text in ("", "{}", "[]", '{"side": "A"}'):
            with self.subTest(text=text):
                self.assertRaises(ValueError, KeyExchange.restore, text)

    def test_reflected(self) -> None:
        """Our own message coming back is not a peer."""
        ours = KeyExchange.start("4-a", "app")
        self.assertRaises(WrongPasswordError, ours.finish, ours.message)

    @given(st.binary(max_size=40) | st.binary(min_size=32, max_size=32).map(lambda b: b"S" + b))
    def test_garbage(self, message: bytes) -> None:
        """A message that is no point of the group is refused, or gives a useless key."""
        ours = KeyExchange.start("4-a", "app")
        try:
            self.assertEqual(len(ours.finish(message)), 32)
        except WrongPasswordError:
            return
