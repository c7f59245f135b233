"""
Takes the mask of a WebSocket frame off (RFC 6455, section 5.3), in place.

Owns the way to Autobahn's native code for that. Autobahn itself uses it on copies.
"""

from collections.abc import Callable
from typing import Any

Unmask = Callable[[int, int, bytes], None]
"""Takes the mask (the last) off so many bytes (the second) from a place (the first) on."""


def unmasker(memory: bytearray) -> Unmask | None:
    """What takes masks off bytes in `memory`; None where Autobahn came without its native code."""
    try:
        from _nvx_xormasker import ffi, lib  # type: ignore[import-not-found]  # noqa: PLC0415 - it may not be there
    except ImportError:
        return None
    native: Any = lib
    start = ffi.from_buffer("uint8_t[]", memory)

    def unmask(offset: int, length: int, mask: bytes) -> None:
        masker = native.nvx_xormask_new(mask)
        native.nvx_xormask_process(masker, start + offset, length)
        native.nvx_xormask_free(masker)

    return unmask
