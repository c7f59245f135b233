"""
Transit records: a 4-byte length, then a box whose nonce counts up from zero.

The counting nonce makes it visible when a record is dropped, repeated or reordered. No I/O.

Boxes are made and opened where they lie. PyNaCl's public functions clear and copy memory for each, which
costs a quarter of the cipher; its private module `_sodium` has the functions of libsodium as they are. A test
fails when it no longer does.
"""

import struct
from typing import Any, Final

from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # an extension in C
from nacl.bindings import crypto_secretbox_MACBYTES, crypto_secretbox_NONCEBYTES

LENGTH: Final = struct.Struct(">L")
LARGEST_RECORD: Final = 16 * 1024 * 1024  # bytes; bounds the memory that a peer can use here
READ_BYTES: Final = 256 * 1024  # of a stream at a time; more costs the same
NONCE_SIZE: Final = crypto_secretbox_NONCEBYTES
MAC_SIZE: Final = crypto_secretbox_MACBYTES
BOX: Final = LENGTH.size + NONCE_SIZE  # where the box begins in a record
TEXT: Final = BOX + MAC_SIZE  # where the ciphertext begins, which is as long as the plaintext


class RecordError(Exception):
    """The stream was changed on its way, or is not a stream of records."""


class _Memory:
    """Memory that Python and libsodium both work in."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.view = memoryview(bytearray(size))
        self.pointer: Any = ffi.from_buffer(self.view)


class RecordSealer:
    """Encrypts the records of one direction."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0
        self._memory = _Memory(TEXT)

    def seal(self, plaintext: bytes) -> bytes:
        """Make the next record."""
        return bytes(self.seal_in_place(plaintext))

    def seal_in_place(self, plaintext: bytes) -> memoryview:
        """Make the next record in memory that the one after it is made in, too."""
        size = len(plaintext)
        if self._memory.size < TEXT + size:
            self._memory = _Memory(TEXT + size)
        view, pointer = self._memory.view, self._memory.pointer
        nonce = self._count.to_bytes(NONCE_SIZE, "big")
        self._count += 1
        LENGTH.pack_into(view, 0, TEXT - LENGTH.size + size)
        view[LENGTH.size : BOX] = nonce
        lib.crypto_secretbox_easy(pointer + BOX, plaintext, size, nonce, self._key)
        return view[: TEXT + size]


class RecordOpener:
    """
    Decrypts the records of one direction.

    Its stream is given to `feed`, or is written into `room`, which saves a copy.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0
        self._memory = _Memory(0)
        self._filled = 0

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes of the stream.

        :return: the plaintexts of the records that are complete now.
        :raises RecordError: nothing more can be read from this stream.
        """
        records = []
        rest = memoryview(data)
        while rest:
            room = self.room()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            rest = rest[count:]
            records += self.take(count)
        return records

    def room(self) -> memoryview:
        """Return where the next bytes of the stream belong; tell `take` how many there are."""
        if self._filled == self._memory.size:  # with the beginning of a record
            size = max(READ_BYTES, 2 * self._filled)
            larger = _Memory(min(size, LENGTH.size + LARGEST_RECORD))
            larger.view[: self._filled] = self._memory.view
            self._memory = larger
        return self._memory.view[self._filled :]

    def take(self, count: int) -> list[bytes]:
        """
        Take the bytes that have been written into `room`.

        :return: as `feed` does.
        :raises RecordError: as `feed` does.
        """
        view = self._memory.view
        start, end = 0, self._filled + count
        records = []
        while end - start >= LENGTH.size:
            (size,) = LENGTH.unpack_from(view, start)
            if size > LARGEST_RECORD:
                raise RecordError(f"a record of {size} bytes is too large")
            following = start + LENGTH.size + size
            if following > end:
                break
            records.append(self._open(start, following))
            start = following
        view[: end - start] = view[start:end]
        self._filled = end - start
        return records

    def _open(self, start: int, end: int) -> bytes:
        view, pointer = self._memory.view, self._memory.pointer
        nonce = bytes(view[start + LENGTH.size : start + BOX])
        if nonce != self._count.to_bytes(NONCE_SIZE, "big"):
            raise RecordError("a record is out of order")
        self._count += 1
        box, text = pointer + start + BOX, pointer + start + TEXT
        size = end - start - BOX
        if size < MAC_SIZE or lib.crypto_secretbox_open_easy(text, box, size, nonce, self._key):
            raise RecordError("a record does not decrypt")
        return bytes(view[start + TEXT : end])
