"""
Transit records: a 4-byte length, then a box whose nonce counts up from zero.

The counting nonce makes it visible when a record is dropped, repeated or reordered. No I/O.
"""

import struct
from typing import Final

import attrs
from nacl.bindings import (
    crypto_secretbox_easy,
    crypto_secretbox_NONCEBYTES,
    crypto_secretbox_open_easy,
)
from nacl.exceptions import CryptoError

LENGTH: Final = struct.Struct(">L")
LARGEST_RECORD: Final = 16 * 1024 * 1024  # bytes; bounds the memory that a peer can use here
NONCE_SIZE: Final = crypto_secretbox_NONCEBYTES


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
        sealed = crypto_secretbox_easy(plaintext, nonce, self._key)
        return b"".join((LENGTH.pack(NONCE_SIZE + len(sealed)), nonce, sealed))


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
        start = 0
        with memoryview(self._buffer) as view:
            while len(view) - start >= LENGTH.size:
                (size,) = LENGTH.unpack_from(view, start)
                if size > LARGEST_RECORD:
                    raise RecordError(f"a record of {size} bytes is too large")
                end = start + LENGTH.size + size
                if len(view) < end:
                    break
                records.append(self._open(view[start + LENGTH.size : end]))
                start = end
        del self._buffer[:start]
        return records

    def _open(self, box: memoryview) -> bytes:
        nonce = bytes(box[:NONCE_SIZE])
        if nonce != self._count.to_bytes(NONCE_SIZE, "big"):
            raise RecordError("a record is out of order")
        self._count += 1
        try:
            return crypto_secretbox_open_easy(bytes(box[NONCE_SIZE:]), nonce, self._key)
        except (CryptoError, ValueError) as cause:
            raise RecordError("a record does not decrypt") from cause
