"""
Transit records: a 4-byte length, then a box whose nonce counts up from zero.

The counting nonce makes it visible when a record is dropped, repeated or reordered. No I/O.
"""

import struct
from typing import Final

import attrs
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

LENGTH: Final = struct.Struct(">L")
LARGEST_RECORD: Final = 16 * 1024 * 1024  # bytes; bounds the memory that a peer can use here
NONCE_SIZE: Final = SecretBox.NONCE_SIZE


class RecordError(Exception):
    """The stream was changed on its way, or is not a stream of records."""


@attrs.define
class RecordSealer:
    """Encrypts the records of one direction."""

    _key: bytes
    _count: int = 0

    def seal(self, plaintext: bytes) -> bytes:
        """Make the next record."""
        nonce = self._count.to_bytes(NONCE_SIZE, "big")
        self._count += 1
        box = SecretBox(self._key).encrypt(plaintext, nonce)
        return LENGTH.pack(len(box)) + box


@attrs.define
class RecordOpener:
    """Decrypts the records of one direction."""

    _key: bytes
    _count: int = 0
    _buffer: bytearray = attrs.field(factory=bytearray)

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes of the stream.

        :return: the plaintexts of the records that are complete now.
        :raises RecordError: nothing more can be read from this stream.
        """
        self._buffer += data
        records = []
        while len(self._buffer) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer)
            if size > LARGEST_RECORD:
                raise RecordError(f"a record of {size} bytes is too large")
            end = LENGTH.size + size
            if len(self._buffer) < end:
                break
            records.append(self._open(bytes(self._buffer[LENGTH.size : end])))
            del self._buffer[:end]
        return records

    def _open(self, box: bytes) -> bytes:
        if box[:NONCE_SIZE] != self._count.to_bytes(NONCE_SIZE, "big"):
            raise RecordError("a record is out of order")
        self._count += 1
        try:
            return SecretBox(self._key).decrypt(box)
        except (CryptoError, ValueError) as cause:
            raise RecordError("a record does not decrypt") from cause
