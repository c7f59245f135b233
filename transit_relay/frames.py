"""
What a WebSocket client sends, split into the payload of its binary messages and all the rest.

Owns the framing of RFC 6455, section 5.2, as far as the stream needs it. Whatever is not the frame
of a binary message, in its place and as it should be, is set aside for Autobahn, which knows what
to do with it. No I/O: memory in, places in that memory out.
"""

import struct
from collections.abc import Callable
from typing import Final

import attrs

MARGIN: Final = 160
"""Bytes that have to be free in front of what is split: more than the beginning of any frame that
can be held back until the rest of it has come (a control frame, of 6 + 125 bytes at most)."""

_BINARY: Final = 2
_CLOSE: Final = 0x88
_CONTROL: Final = (_CLOSE, 0x89, 0x8A)  # close, ping, pong, each in a single frame

_LENGTH_16: Final = struct.Struct("!H")
_LENGTH_64: Final = struct.Struct("!Q")


@attrs.define(eq=False)
class Frames:
    """
    Where in its frames a client is.

    :ivar inside: between two frames of one message.
    :ivar left: payload of the current frame that is still to come.
    :ivar held: the beginning of the next frame.
    :ivar aside: what is not payload: whole control frames, or all from the first odd frame on.
    :ivar odd: there was one: nothing is to be split any more.
    :ivar heard: something has come since this was last made false.
    """

    inside: bool
    left: int = 0
    held: bytes = b""
    aside: list[bytes] = attrs.Factory(list)
    odd: bool = False
    heard: bool = False
    _mask: bytes = b""

    def split(
        self, memory: memoryview, end: int, unmask: Callable[[int, int, bytes], None]
    ) -> list[memoryview]:
        """
        The payload in `memory` from `MARGIN` to `end`, in pieces, each of them unmasked in place.

        :param unmask: takes a mask off so many bytes from some place in `memory` on.
        """
        self.heard = True
        place = MARGIN - len(self.held)
        memory[place:MARGIN] = self.held
        self.held = b""
        pieces = []
        while place < end:
            if self.left:
                length = min(self.left, end - place)
                unmask(place, length, self._mask)
                pieces.append(memory[place : place + length])
                self.left -= length
                place += length
                turn = length & 3
                self._mask = self._mask[turn:] + self._mask[:turn]
                continue
            start = self._begin(memory, place, end)
            if start == place:
                break
            place = start
        return pieces

    def _begin(self, memory: memoryview, place: int, end: int) -> int:
        """Take what is before the payload; returns where that is, or `place` if it has to wait."""
        if end - place < 2:
            return self._hold(memory, place, end)
        first, second = memory[place], memory[place + 1]
        length = second & 0x7F
        if first & 8:
            if first not in _CONTROL or second < 0x80 or length > 125:
                return self._give_up(memory, place, end)
            if end - place < 6 + length:
                return self._hold(memory, place, end)
            self.aside.append(bytes(memory[place : place + 6 + length]))
            return end if first == _CLOSE else place + 6 + length
        if first & 0x7F != (0 if self.inside else _BINARY) or second < 0x80:
            return self._give_up(memory, place, end)
        start = place + (6 if length < 126 else 8 if length == 126 else 14)
        if start > end:
            return self._hold(memory, place, end)
        if length == 126:
            (length,) = _LENGTH_16.unpack_from(memory, place + 2)
            least = 126
        elif length == 127:
            (length,) = _LENGTH_64.unpack_from(memory, place + 2)
            least = 1 << 16
        else:
            least = 0
        if not least <= length < 1 << 63:
            return self._give_up(memory, place, end)
        self._mask = bytes(memory[start - 4 : start])
        self.left = length
        self.inside = first < 0x80
        return start

    def _hold(self, memory: memoryview, place: int, end: int) -> int:
        self.held = bytes(memory[place:end])
        return place

    def _give_up(self, memory: memoryview, place: int, end: int) -> int:
        self.odd = True
        self.aside.append(bytes(memory[place:end]))
        return end


def binary_header(length: int) -> bytes:
    """The header of a frame that is a whole binary message, not masked."""
    if length < 126:
        return struct.pack("!BB", 0x82, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x82, 126, length)
    return struct.pack("!BBQ", 0x82, 127, length)
