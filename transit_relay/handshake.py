"""
The handshake: the line that a client sends before it is paired, parsed from bytes.

Owns its grammar and the texts with which a peer is refused. No I/O: bytes in, values out. Time limits belong
to the caller.

    please relay TOKEN for side SIDE\\n     (what clients send)
    please relay TOKEN for SIDE\\n          (the same, as some descriptions of the protocol have it)
    please relay TOKEN\\n                   (clients older than sides)

TOKEN is 64 hex digits, SIDE 16. All clients write them in lower case. Upper case is accepted as well, and
means the same: the digits stand for bytes, and two peers that derived the same key are paired even if they
print it differently. So a request holds bytes, not text.
"""

import enum
import re
from typing import Final, NewType

import attrs

Token = NewType("Token", bytes)
Side = NewType("Side", bytes)

LONGEST: Final = len(b"please relay  for side \n") + 64 + 16
"""
Bytes in the longest handshake. The parser holds no more of what a peer sends, as it refuses bytes that cannot
become a handshake at once: far less than the 1 KiB that a relay may read for one.
"""

_HANDSHAKE: Final = re.compile(
    rb"please relay ([0-9a-fA-F]{64})(?: for (?:side )?([0-9a-fA-F]{16}))?\n",
)
_EXAMPLES: Final = (
    b"please relay " + b"0" * 64 + b" for side " + b"0" * 16 + b"\n",
    b"please relay " + b"0" * 64 + b" for " + b"0" * 16 + b"\n",
)


@attrs.frozen
class Request:
    """A peer asks to be paired with another that knows `token`."""

    token: Token
    side: Side | None
    """Which of the two peers it is; None from a client older than sides."""


class NeedMore(enum.Enum):
    """The bytes so far are the beginning of a handshake."""

    NEED_MORE = enum.auto()


NEED_MORE: Final = NeedMore.NEED_MORE


class HandshakeRefusal(enum.Enum):
    """Why a peer is refused. The values are what the relay sends it."""

    BAD_HANDSHAKE = b"bad handshake\n"  # its bytes are not, and cannot become, a handshake
    IMPATIENT = b"impatient\n"  # it sent more than a handshake before the relay's ok


class Handshake:
    """The parser for the first bytes of one connection, which may arrive in pieces of any size."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    @property
    def begun(self) -> bytes:
        """The bytes so far."""
        return self._held

    def feed(self, data: bytes) -> Request | NeedMore | HandshakeRefusal:
        """
        Parse the next bytes.

        :return: anything but `NEED_MORE` ends the handshake; the parser must not be used after that.
        """
        held = self._held + data[:LONGEST]
        line_end = held.find(b"\n") + 1
        if line_end:
            match = _HANDSHAKE.fullmatch(held, 0, line_end)
            if match is None:
                return HandshakeRefusal.BAD_HANDSHAKE
            if len(self._held) + len(data) > line_end:
                return HandshakeRefusal.IMPATIENT
            return _request(match)
        if not _can_become_handshake(held):
            return HandshakeRefusal.BAD_HANDSHAKE
        self._held = held
        return NEED_MORE

    def message_ended(self) -> Request | HandshakeRefusal:
        """
        End the handshake with the WebSocket message that its bytes arrived in.

        Over WebSocket a handshake is one message, and some clients leave its newline out.
        """
        match = _HANDSHAKE.fullmatch(self._held + b"\n")
        return HandshakeRefusal.BAD_HANDSHAKE if match is None else _request(match)


def _request(match: re.Match[bytes]) -> Request:
    token, side = match.groups()
    return Request(Token(_value(token)), None if side is None else Side(_value(side)))


def _value(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode("ascii"))


def _can_become_handshake(held: bytes) -> bool:
    # Every position in a handshake is fixed, so the rest of one of the examples completes any beginning; that
    # of one without a side is one of theirs as well.
    return any(_HANDSHAKE.fullmatch(held + example[len(held) :]) for example in _EXAMPLES)
