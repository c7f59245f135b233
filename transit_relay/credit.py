"""
The credit of a peer: how many bytes of its buddy it takes, as it grants them. No I/O.

For peers without a flow control of their own: a page in a browser is sent whatever arrives, however slowly it
stores that. Owns how grants are read, and what is held for a peer beyond its credit, which is at most one
read of its buddy's transport.

A grant travels behind the bytes of the peer that grants it, so two buddies that both send more than the other
has granted wait for each other.
"""

from collections.abc import Callable
from typing import Final

import attrs

from wormhole_websocket.frames import CloseCode, Violation

SUBPROTOCOL: Final = "wormhole-transit-credit.v1"
"""Whoever asks for it, with `Sec-WebSocket-Protocol`, grants bytes."""

MOST_GRANTED: Final = 1 << 53
"""Bytes that a peer grants in all: JavaScript counts no further."""

GRANT_TOO_EARLY: Final = Violation(CloseCode.PROTOCOL_ERROR, "a grant came before the ok")
_NO_NUMBER: Final = Violation(CloseCode.INVALID_DATA, "a grant is not a decimal number")
_TOO_MUCH: Final = Violation(CloseCode.MESSAGE_TOO_BIG, "more than 2**53 bytes were granted")

_MOST_DIGITS: Final = len(str(MOST_GRANTED))


@attrs.define
class GrantReader:
    """
    Reads grants: text messages that each hold a decimal number, in any pieces.

    :ivar total: bytes that were granted in all.
    :ivar number: what the digits so far of a message that is not whole amount to.
    :ivar digits_seen: whether it has any digits.
    """

    total: int = 0
    number: int = 0
    digits_seen: bool = False

    def feed(self, piece: bytes, *, final: bool) -> int | Violation:
        """
        Read the next piece of a message.

        :param final: whether the message ends with it.
        :return: bytes that the peer grants; 0 if the message is not whole. Nothing is read after a violation.
        """
        if piece:
            if not piece.isdigit():
                return _NO_NUMBER
            self.digits_seen = True
            digits = piece if self.number else piece.lstrip(b"0")
            if len(digits) > _MOST_DIGITS:
                return _TOO_MUCH
            self.number = self.number * 10 ** len(digits) + int(digits or b"0")
            if self.total + self.number > MOST_GRANTED:
                return _TOO_MUCH
        if not final:
            return 0
        if not self.digits_seen:
            return _NO_NUMBER
        granted, self.number, self.digits_seen = self.number, 0, False
        self.total += granted
        return granted


@attrs.frozen
class HandedCredit:
    """
    The credit of a peer on its way from one relay to the next.

    :ivar left: bytes that may be sent to the peer now.
    :ivar withheld: what is held until it grants more.
    :ivar grants: where its grants have been read to.
    """

    left: int = 0
    withheld: bytes = b""
    grants: GrantReader = attrs.field(factory=GrantReader)


class Credit:
    """
    The bytes that a peer still takes, and those that are held until it takes more.

    :param write: sends bytes to the peer.
    :param holds: called whenever it holds more bytes.
    :param handed: what another relay knew of it.
    :ivar left: bytes that may be sent to the peer now; 0 while any are held.
    :ivar grants: reads those of the peer, for `grant`.
    """

    __slots__ = ("_granted", "_holds", "_sent", "_withheld", "_write", "grants", "left")

    def __init__(
        self,
        write: Callable[[bytes], None],
        holds: Callable[[], object],
        handed: HandedCredit | None = None,
    ) -> None:
        handed = handed or HandedCredit()
        self.left = handed.left
        self._write = write
        self._holds = holds
        self._withheld = bytearray(handed.withheld)
        if self._withheld:
            holds()
        self.grants = handed.grants
        self._granted: Callable[[], None] | None = None
        self._sent: Callable[[], None] | None = None

    @property
    def handed(self) -> HandedCredit:
        """What the next relay has to know of it."""
        return HandedCredit(self.left, bytes(self._withheld), attrs.evolve(self.grants))

    @property
    def withheld_bytes(self) -> int:
        """How many bytes are held."""
        return len(self._withheld)

    def grant(self, byte_count: int) -> None:
        """Add to the credit; send what is held, as far as that goes, and tell who listens."""
        self.left += byte_count
        data = bytes(self._withheld[: self.left])
        del self._withheld[: len(data)]
        if data:
            self.spend(len(data))
            self._write(data)
        if self._withheld:
            return
        sent, self._sent = self._sent, None
        if sent is not None:
            sent()
        if self._granted is not None:
            self._granted()

    def spend(self, byte_count: int) -> None:
        """Note that the peer is sent so many bytes, at most `left`."""
        self.left -= byte_count

    def send(self, data: bytes) -> None:
        """Send the peer bytes, and hold those that exceed its credit."""
        now = data[: self.left]
        if now:
            self.spend(len(now))
            self._write(now)
        if len(now) < len(data):
            self._withheld += data[len(now) :]
            self._holds()

    def listen(self, granted: Callable[[], None] | None) -> None:
        """Call `granted`, and nothing else, after each grant that leaves nothing held; None: nothing."""
        self._granted = granted

    def when_sent(self, call: Callable[[], None]) -> None:
        """Call `call` as soon as no bytes are held, which may be now."""
        if self._withheld:
            self._sent = call
        else:
            call()
