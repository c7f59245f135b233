"""
Everything secret that is computed: the SPAKE2 exchange, the keys derived from it, and the boxes
that hold messages. No I/O; bytes in, bytes out. Names and purposes are the protocol's.
"""

import unicodedata
from hashlib import sha256
from typing import Any, Final

import attrs
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from spake2 import SPAKE2_Symmetric  # type: ignore[import-untyped]  # it has no annotations
from spake2.ed25519_basic import NotOnCurve  # type: ignore[import-untyped]
from spake2.spake2 import SPAKEError  # type: ignore[import-untyped]

from wormhole_client.errors import WrongPasswordError

KEY_SIZE: Final = 32
PAKE_SIZE: Final = 33  # b"S" for symmetric, and a point on the curve


def normalised(text: str) -> bytes:
    """Two people who type the same letters have the same bytes."""
    return unicodedata.normalize("NFC", text).encode("utf-8")


def derive(key: bytes, purpose: bytes, length: int = KEY_SIZE) -> bytes:
    """A key for one purpose. Who knows it learns nothing about `key` or other purposes."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key)


def derive_for(key: bytes, purpose: str, length: int = KEY_SIZE) -> bytes:
    """`derive`, for a purpose that an application gives as text."""
    return derive(key, normalised(purpose), length)


def phase_key(key: bytes, side: str, phase: str) -> bytes:
    """The key of one message; `side` is its sender's."""
    names = sha256(side.encode("utf-8")).digest() + sha256(phase.encode("utf-8")).digest()
    return derive(key, b"wormhole:phase:" + names)


def verifier(key: bytes) -> bytes:
    """Equal on both ends when nobody is in between. For two people to read to each other."""
    return derive(key, b"wormhole:verifier")


def encrypt(key: bytes, plaintext: bytes) -> bytes:
    """A box: a random nonce of 24 bytes, then the ciphertext."""
    return bytes(SecretBox(key).encrypt(plaintext))


def decrypt(key: bytes, box: bytes) -> bytes:
    """
    :raises WrongPasswordError: it was made with another key, or changed on its way.
    """
    try:
        return SecretBox(key).decrypt(box)
    except (CryptoError, ValueError) as cause:
        raise WrongPasswordError("a message does not decrypt: the codes differ") from cause


@attrs.define
class Exchange:
    """
    One SPAKE2 exchange: say `message` to the other end, `finish` with what it says.

    `saved` is what is needed to `restore` the exchange in another process. It holds the code.
    """

    _spake: Any
    message: bytes

    @classmethod
    def start(cls, code: str, appid: str) -> "Exchange":
        spake = SPAKE2_Symmetric(normalised(code), idSymmetric=normalised(appid))
        return cls(spake, spake.start())

    @classmethod
    def restore(cls, saved: str) -> "Exchange":
        """
        :raises ValueError: `saved` is not what `saved()` gave.
        """
        try:
            spake = SPAKE2_Symmetric.from_serialized(saved.encode("ascii"))
        except (KeyError, SPAKEError, AttributeError, TypeError) as cause:
            raise ValueError("not a saved key exchange") from cause
        return cls(spake, b"S" + spake.outbound_message)

    def saved(self) -> str:
        text: str = self._spake.serialize().decode("ascii")
        return text

    def finish(self, theirs: bytes) -> bytes:
        """
        The shared key. It is the peer's too only if both have the same code.

        :raises WrongPasswordError: `theirs` is no SPAKE2 message, or our own come back.
        """
        if len(theirs) != PAKE_SIZE or theirs[:1] != b"S":
            raise WrongPasswordError("the other end's key exchange message is malformed")
        try:
            key: bytes = self._spake.finish(theirs)
        except (SPAKEError, NotOnCurve, ValueError) as cause:
            raise WrongPasswordError("the other end's key exchange message is invalid") from cause
        return key


@attrs.frozen
class TransitKeys:
    """The keys of one transit connection, all derived from one key that both ends have."""

    key: bytes

    def relay_token(self) -> str:
        return derive(self.key, b"transit_relay_token").hex()

    def handshake(self, sender: bool) -> bytes:
        """What that end says first on every connection."""
        role = "sender" if sender else "receiver"
        secret = derive(self.key, f"transit_{role}".encode("ascii")).hex()
        return f"transit {role} {secret} ready\n\n".encode("ascii")

    def records(self, sender: bool) -> bytes:
        """The key of the records that that end writes."""
        role = "sender" if sender else "receiver"
        return derive(self.key, f"transit_record_{role}_key".encode("ascii"))
