"""
The handshake: bytes -> a request, or why not.

Owns the grammar of the one line that a client sends before it is paired, and the words with which
it is refused. No I/O: bytes in, values out. Time limits are the business of whoever feeds it.

    please relay TOKEN for side SIDE\\n     (what clients write)
    please relay TOKEN for SIDE\\n          (the same, as some descriptions have it)
    please relay TOKEN\\n                   (clients of before there were sides)

TOKEN is 64 hex digits, SIDE 16. All clients write them in lower case. Upper case is accepted too,
and as the same value: the digits stand for bytes, and two peers that derived the same key are not
kept apart because they print it differently. So a request holds bytes, not text.
"""

import enum
import re
from typing import Final, NewType

import attrs

Token = NewType("Token", bytes)
Side = NewType("Side", bytes)

LONGEST: Final = len(b"please relay  for side \n") + 64 + 16
"""
Bytes in the longest handshake. The parser holds no more of what a peer sends, as bytes that cannot
become a handshake are refused at once: far less than the 1 KiB that a relay may read for one.
"""

_HANDSHAKE: Final = re.compile(
    rb"please relay ([0-9a-fA-F]{64})(?: for (?:side )?([0-9a-fA-F]{16}))?\n",
)
_EXAMPLES: Final = (
    b"please relay " + b"0" * 64 + b"\n",
    b"please relay " + b"0" * 64 + b" for side " + b"0" * 16 + b"\n",
    b"please relay " + b"0" * 64 + b" for " + b"0" * 16 + b"\n",
)


@attrs.frozen
class Request:
    """A peer wants to be joined with another that knows `token`."""

    token: Token
    side: Side | None
    """Which of the two it is; None from a client of before there were sides."""


class NeedMore(enum.Enum):
    """What has come so far is how a handshake begins."""

    NEED_MORE = enum.auto()


NEED_MORE: Final = NeedMore.NEED_MORE


class Refusal(enum.Enum):
    """Why a peer is turned away. The values are what it is told."""

    BAD_HANDSHAKE = b"bad handshake\n"  # what it sent is not, and cannot become, a handshake
    IMPATIENT = b"impatient\n"  # it sent more than a handshake before it was told ok


class Handshake:
    """Takes the first bytes of one connection, in pieces of any size, and says what they are."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Request | NeedMore | Refusal:
        """
        Take the next bytes.

        After anything but `NEED_MORE` the handshake is over, and this is not to be called again.
        """
        held = self._held + data[: LONGEST + 1 - len(self._held)]
        line_end = held.find(b"\n") + 1
        if line_end:
            match = _HANDSHAKE.fullmatch(held, 0, line_end)
            if match is None:
                return Refusal.BAD_HANDSHAKE
            if len(self._held) + len(data) > line_end:
                return Refusal.IMPATIENT
            return _request(match)
        if not _can_become_handshake(held):
            return Refusal.BAD_HANDSHAKE
        self._held = held
        return NEED_MORE

    def message_ended(self) -> Request | Refusal:
        """
        The WebSocket message that the bytes came in is over.

        There a handshake is one message, which ends it as the newline does: some clients leave the
        newline out.
        """
        match = _HANDSHAKE.fullmatch(self._held + b"\n")
        return Refusal.BAD_HANDSHAKE if match is None else _request(match)


def _request(match: re.Match[bytes]) -> Request:
    token, side = match.groups()
    return Request(Token(_value(token)), None if side is None else Side(_value(side)))


def _value(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode("ascii"))


def _can_become_handshake(held: bytes) -> bool:
    """Every place in a handshake is fixed, so the rest of some handshake completes its beginning."""
    return any(_HANDSHAKE.fullmatch(held + example[len(held) :]) for example in _EXAMPLES)
