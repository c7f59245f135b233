"""
Transit records: a 4-byte length, then a box whose nonce counts up from zero, so that none can be
dropped, repeated or reordered unnoticed. Bytes in, bytes out; no I/O.
"""

import struct
from typing import Final

import attrs
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

LENGTH: Final = struct.Struct(">L")
LARGEST_RECORD: Final = 16 * 1024 * 1024  # bytes; what a peer can make us hold
NONCE_SIZE: Final = SecretBox.NONCE_SIZE


class BadRecord(Exception):
    """The stream was changed on its way, or is not one of records."""


@attrs.define
class Sealer:
    """Makes records of one direction."""

    _key: bytes
    _count: int = 0

    def seal(self, plaintext: bytes) -> bytes:
        nonce = self._count.to_bytes(NONCE_SIZE, "big")
        self._count += 1
        box = SecretBox(self._key).encrypt(plaintext, nonce)
        return LENGTH.pack(len(box)) + box


@attrs.define
class Opener:
    """Reads records of one direction."""

    _key: bytes
    _count: int = 0
    _buffer: bytearray = attrs.field(factory=bytearray)

    def feed(self, data: bytes) -> list[bytes]:
        """
        The records that are complete with `data`.

        :raises BadRecord: nothing more can be read from this stream.
        """
        self._buffer += data
        records = []
        while len(self._buffer) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._buffer)
            if size > LARGEST_RECORD:
                raise BadRecord(f"a record of {size} bytes")
            end = LENGTH.size + size
            if len(self._buffer) < end:
                break
            records.append(self._open(bytes(self._buffer[LENGTH.size : end])))
            del self._buffer[:end]
        return records

    def _open(self, box: bytes) -> bytes:
        if box[:NONCE_SIZE] != self._count.to_bytes(NONCE_SIZE, "big"):
            raise BadRecord("a record out of order")
        self._count += 1
        try:
            return SecretBox(self._key).decrypt(box)
        except (CryptoError, ValueError) as cause:
            raise BadRecord("a record that does not decrypt") from cause
