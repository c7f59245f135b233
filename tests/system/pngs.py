"""
PNG pictures of a browser, made small: few colours in flat areas compress best without any filter.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PIXEL: Final = 3  # bytes: 8 bits each of red, green and blue, as Chromium has them


def repack(png: bytes) -> bytes:
    """Write the same pixels in fewer bytes."""
    chunks = list(_chunks(png))
    width = int.from_bytes(chunks[0][1][:4])
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    plain = b"".join(b"\0" + row for row in _unfiltered(pixels, width * _PIXEL))
    written = [chunks[0], (b"IDAT", zlib.compress(plain, 9)), chunks[-1]]
    return _SIGNATURE + b"".join(
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
        for kind, body in written
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _unfiltered(pixels: bytes, length: int) -> Iterator[bytes]:
    """Yield the rows, `length` bytes each, without the filter that each has a byte for."""
    above = bytes(length)
    for start in range(0, len(pixels), length + 1):
        kind, row = pixels[start], bytearray(pixels[start + 1 : start + 1 + length])
        for at in range(length):
            left = row[at - _PIXEL] if at >= _PIXEL else 0
            corner = above[at - _PIXEL] if at >= _PIXEL else 0
            guesses = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
            row[at] = (row[at] + guesses[kind]) & 0xFF
        above = bytes(row)
        yield above


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))
