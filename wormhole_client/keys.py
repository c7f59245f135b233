"""
The cryptography: the SPAKE2 exchange, the keys derived from its key, and the boxes of messages.

The purposes are those of the Magic Wormhole protocols. No I/O; bytes in, bytes out.
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
    """Encode a text so that two users who type the same letters have the same bytes."""
    return unicodedata.normalize("NFC", text).encode("utf-8")


def derive(key: bytes, purpose: bytes, length: int = KEY_SIZE) -> bytes:
    """
    Derive a key for one purpose (HKDF-SHA256). It reveals nothing about the key it is derived from.

    :param length: in bytes.
    """
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key)


def derive_for(key: bytes, purpose: str, length: int = KEY_SIZE) -> bytes:
    """Derive a key for a purpose that an application gives as text. As `derive`."""
    return derive(key, normalised(purpose), length)


def phase_key(key: bytes, side: str, phase: str) -> bytes:
    """
    Derive the key of one message.

    :param side: of the sender.
    """
    names = sha256(side.encode("utf-8")).digest() + sha256(phase.encode("utf-8")).digest()
    return derive(key, b"wormhole:phase:" + names)


def verifier(key: bytes) -> bytes:
    """Derive the verifier, which both users may compare to exclude an attacker between them."""
    return derive(key, b"wormhole:verifier")


def encrypt(key: bytes, plaintext: bytes) -> bytes:
    """Make a box: a random nonce of 24 bytes, then the ciphertext."""
    return bytes(SecretBox(key).encrypt(plaintext))


def decrypt(key: bytes, box: bytes) -> bytes:
    """
    Open a box.

    :raises WrongPasswordError: it was made with another key, or changed on its way.
    """
    try:
        return SecretBox(key).decrypt(box)
    except (CryptoError, ValueError) as cause:
        raise WrongPasswordError("a message does not decrypt: the codes differ") from cause


@attrs.define
class KeyExchange:
    """
    One end of a SPAKE2 exchange.

    :ivar message: to be sent to the other end.
    """

    _spake: Any
    message: bytes

    @classmethod
    def start(cls, code: str, appid: str) -> "KeyExchange":
        """Begin an exchange with the code as its password."""
        spake = SPAKE2_Symmetric(normalised(code), idSymmetric=normalised(appid))
        return cls(spake, spake.start())

    @classmethod
    def restore(cls, saved: str) -> "KeyExchange":
        """
        Continue an exchange, maybe of another process.

        :raises ValueError: the text is not what `save` returned.
        """
        try:
            spake = SPAKE2_Symmetric.from_serialized(saved.encode("ascii"))
        except (KeyError, SPAKEError, AttributeError, TypeError) as cause:
            raise ValueError("the text is not a saved key exchange") from cause
        return cls(spake, b"S" + spake.outbound_message)

    def save(self) -> str:
        """Encode the exchange for `restore`. The text holds the code, and has to be kept secret."""
        text: str = self._spake.serialize().decode("ascii")
        return text

    def finish(self, theirs: bytes) -> bytes:
        """
        Compute the shared key. Both ends have the same key only if they have the same code.

        :param theirs: the other end's message.
        :raises WrongPasswordError: the message is not one of SPAKE2, or is this end's own.
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
    """The keys of one transit connection, derived from the transit key that both ends have."""

    key: bytes

    def relay_token(self) -> str:
        """Derive the token by which a relay finds both ends."""
        return derive(self.key, b"transit_relay_token").hex()

    def handshake(self, sender: bool) -> bytes:
        """
        Make the handshake that an end sends first on every connection.

        :param sender: whether it is the sender's.
        """
        role = "sender" if sender else "receiver"
        secret = derive(self.key, f"transit_{role}".encode("ascii")).hex()
        return f"transit {role} {secret} ready\n\n".encode("ascii")

    def records(self, sender: bool) -> bytes:
        """
        Derive the key of the records of one direction.

        :param sender: whether the sender writes them.
        """
        role = "sender" if sender else "receiver"
        return derive(self.key, f"transit_record_{role}_key".encode("ascii"))
