"""
The frame codec: reads and writes WebSocket frames (RFC 6455, sections 5 and 7.4). No I/O.

Owns headers, masks, and every check of what a peer sends. Reading is incremental: bytes may arrive in any
pieces, the time is linear in bytes and frames, and the pieces have no influence on the events. Extensions
are not supported.

Two readers share one loop. `MessageReader` gathers whole messages, up to a limit. `StreamReader` hands on
payload as it arrives, unmasked in the caller's memory, and gathers nothing.
"""

from __future__ import annotations

import enum
import struct
from typing import Any, Final

import attrs

from wormhole_websocket.masking import mask_in, masked_copy

MESSAGE_UNITS: Final = 8
"""What a whole message counts in the work of reading; a frame counts 1, and 1 more for each 4 KiB. A short
frame takes 0.25 us; a message is worth more for what is done with it."""

MARGIN: Final = 160
"""Bytes that a `StreamReader` needs in front of what it reads: more than the longest control frame of a
client, 6 + 125 bytes, of which all but the last byte may have arrived before."""

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_CONTROL: Final = 0x08
_LONGEST_CONTROL: Final = 125
_LONG_HEADERS: Final = {
    masked: {126: struct.Struct(f"!2xH{mask}s"), 127: struct.Struct(f"!2xQ{mask}s")}
    for masked, mask in ((True, 4), (False, 0))
}
"""
Headers whose length does not fit into seven bits, by whether they have a mask, and by what stands in these
bits: the length and the mask.
"""
_LONGEST: Final = (1 << 63) - 1
"""Bytes of a frame: the highest bit of a length is 0."""
_UNLIMITED: Final = 1 << 63


class Opcode(enum.IntEnum):
    """What a frame is (RFC 6455, section 5.2). The others are reserved."""

    CONTINUATION = 0x0  # a further part of a message
    TEXT = 0x1  # the first part of a message in UTF-8
    BINARY = 0x2  # the first part of any other message
    CLOSE = 0x8  # the sender sends nothing after it
    PING = 0x9  # asks for a pong
    PONG = 0xA  # answers a ping


_TEXT, _BINARY = int(Opcode.TEXT), int(Opcode.BINARY)
_PING, _PONG, _CLOSE = int(Opcode.PING), int(Opcode.PONG), int(Opcode.CLOSE)

# The first byte of a frame, between two messages and inside one.
_ANYWHERE: Final = frozenset({_FIN | _CLOSE, _FIN | _PING, _FIN | _PONG})
_BETWEEN: Final = _ANYWHERE | {_TEXT, _BINARY, _FIN | _TEXT, _FIN | _BINARY}
_INSIDE: Final = _ANYWHERE | {0, _FIN}


class CloseCode(enum.IntEnum):
    """Why a WebSocket is closed (RFC 6455, section 7.4.1): the codes that this project sends."""

    NORMAL = 1000  # it has served its purpose
    GOING_AWAY = 1001  # the server is stopping
    PROTOCOL_ERROR = 1002  # the peer sent a frame that breaks the protocol
    UNSUPPORTED_DATA = 1003  # the peer sent text where only binary is accepted
    INVALID_DATA = 1007  # the peer sent text that is no UTF-8
    POLICY_VIOLATION = 1008  # the peer broke a rule of the protocol above
    MESSAGE_TOO_BIG = 1009  # the peer sent a message over the limit
    INTERNAL_ERROR = 1011  # the server failed


# Section 7.4.1 and the registry that it founds; 1004 to 1006 and 1015 are never sent.
_REGISTERED: Final = frozenset({*range(1000, 1004), *range(1007, 1015)})
_PRIVATE: Final = range(3000, 5000)


@attrs.frozen
class MessageReceived:
    """A whole message; whether a text is UTF-8 has not been checked."""

    payload: bytes
    text: bool


@attrs.frozen
class TextBegun:
    """A text message has begun on a stream, which is binary. No payload is handed on any more."""


@attrs.frozen
class TextReceived:
    """
    A piece of a text message on a stream; whether the message is UTF-8 has not been checked.

    :ivar final: whether the message ends with it. Other pieces are never empty.
    """

    payload: bytes
    final: bool


@attrs.frozen
class MessageEnded:
    """The current binary message of a stream is complete."""


@attrs.frozen
class PingReceived:
    """A ping, to be answered with a pong that carries the same payload."""

    payload: bytes


@attrs.frozen
class PongReceived:
    """The answer to a ping; a peer may also send it unasked."""

    payload: bytes


@attrs.frozen
class CloseReceived:
    """
    A valid close frame. Nothing is read after it.

    :ivar code: 1000 to 4999; None where the frame carries none.
    """

    code: int | None
    reason: str


@attrs.frozen
class Violation:
    """
    A fault of the peer's. Nothing is read after it.

    :ivar code: what to close the connection with.
    :ivar reason: what is wrong, for the close frame; says nothing about the peer.
    """

    code: CloseCode
    reason: str


Control = PingReceived | PongReceived | CloseReceived | Violation
MessageEvent = MessageReceived | Control
StreamEvent = memoryview | MessageEnded | TextBegun | TextReceived | Control

_NOTHING: Final = bytearray()
"""The buffer of every reader that holds no bytes, so that an idle one needs none; it must not be changed."""
_TEXT_BEGUN: Final = TextBegun()
_MESSAGE_ENDED: Final = MessageEnded()


class _FrameReader:
    """
    The position in one peer's frames, and the loop that reads them.

    :param at_most: bytes of payload that a message may have.
    :param masked: whether frames must be masked, as a client's must be; otherwise they must not be.
    :param gathers: whether the payload of a message is gathered; otherwise it is handed on as it arrives.
    :param texts: whether text messages are handed on where nothing is gathered.
    """

    __slots__ = (
        "_allowed",
        "_at_most",
        "_closed",
        "_dropping",
        "_final",
        "_gathered",
        "_left",
        "_mask",
        "_masked",
        "_room",
        "_spent",
        "_text",
        "_texts",
    )

    def __init__(self, at_most: int, *, masked: bool, gathers: bool, texts: bool) -> None:
        self._at_most = at_most
        self._masked = masked
        self._gathered = _NOTHING if gathers else None
        self._texts = texts
        self._allowed = _BETWEEN
        self._closed = False
        # Units of work of the latest call of `_read`.
        self._spent = 0
        # Whether a stream's payload is dropped, because a text message has begun.
        self._dropping = False
        # The current message: whether it is text, and how many more bytes it may have.
        self._text = False
        self._room = at_most
        # A data frame that is not whole: bytes to come, their mask, and whether it ends its message.
        self._left = 0
        self._mask = b""
        self._final = False

    def _read(  # noqa: PLR0915 - one loop: a call for each step would cost more than the step
        self, memory: bytearray | memoryview, at: int, end: int, events: list[Any], units: int
    ) -> int:
        """
        Read `memory` from `at` to `end`, and append what follows from it to `events`.

        :param units: of work, after which it stops.
        :return: the place of the first byte that was not used. A header or a control frame begins there
            whose rest has not arrived.
        """
        masked, gathered = self._masked, self._gathered
        mask_bit, shortest = (0x80, 6) if masked else (0, 2)
        apply_mask = mask_in(memory)
        spent = 0
        while at < end and spent < units and not self._closed:
            if self._left:  # the frame has begun before
                start, size, final, mask = at, self._left, self._final, self._mask
                self._left = 0
            else:
                if end - at < 2:
                    break
                first = memory[at]
                size = memory[at + 1] ^ mask_bit
                start = at + shortest
                if first not in self._allowed or size > _LONGEST_CONTROL:
                    if size > 127 or first not in self._allowed or first & _CONTROL:
                        self._fail(events, self._fault(first, size))
                        break
                    least = 126 if size == 126 else 1 << 16
                    header = _LONG_HEADERS[masked][size]
                    start = at + header.size
                    if start > end:
                        break
                    size, mask = header.unpack_from(memory, at)
                    if not least <= size <= _LONGEST:
                        self._fail(events, "the length of a frame is not in its shortest form")
                        break
                elif first & _CONTROL:
                    if start + size > end:
                        break
                    at = start + size
                    if masked:
                        apply_mask(start, at, bytes(memory[start - 4 : start]))
                    spent += 1
                    self._read_control(first & _OPCODE, bytes(memory[start:at]), events)
                    continue
                elif start > end:
                    break
                elif size == 1 and masked and start < end:  # without the cost of a call
                    memory[start] ^= memory[start - 4]
                    mask = b""
                else:
                    mask = bytes(memory[start - 4 : start]) if size and masked else b""
                # The header of a data frame is whole.
                if size > self._room:
                    self._fail(events, "the message is too long", CloseCode.MESSAGE_TOO_BIG)
                    break
                self._room -= size
                spent += 1 + (size >> 12)
                final = first >= _FIN
                if first & _OPCODE:
                    self._allowed = _INSIDE
                    self._text = first & _OPCODE == _TEXT
                    if self._text and gathered is None and not self._texts:
                        events.append(_TEXT_BEGUN)
                        self._dropping = True
            at = start + size
            if at > end:  # some of its payload has not arrived
                turn = (end - start) & 3
                self._left, self._final, self._mask = at - end, final, mask[turn:] + mask[:turn]
                at, final = end, False
            if mask:
                apply_mask(start, at, mask)
            if final:
                self._allowed, self._room = _BETWEEN, self._at_most
            if gathered is None:
                if self._text and self._texts:
                    if final or at > start:
                        events.append(TextReceived(bytes(memory[start:at]), final))
                    continue
                if at > start and not self._dropping:
                    events.append(memory[start:at])
                if final:
                    events.append(_MESSAGE_ENDED)
            elif not final:
                if gathered:
                    gathered += memory[start:at]
                else:
                    gathered = self._gathered = bytearray(memoryview(memory)[start:at])
            else:
                spent += MESSAGE_UNITS
                if gathered:
                    gathered += memory[start:at]
                    events.append(MessageReceived(bytes(gathered), self._text))
                    gathered = self._gathered = _NOTHING
                else:
                    events.append(MessageReceived(bytes(memory[start:at]), self._text))
        self._spent = spent
        return at

    def _read_control(self, opcode: int, payload: bytes, events: list[Any]) -> None:
        if opcode == _PING:
            events.append(PingReceived(payload))
        elif opcode == _PONG:
            events.append(PongReceived(payload))
        else:
            self._end()
            events.append(_read_close(payload))

    def _fault(self, first: int, size: int) -> str:
        """Say what is wrong with the first two bytes of a frame."""
        if size > 127:
            return "the frame is not masked" if self._masked else "the frame is masked"
        if first & _RESERVED:
            return "a reserved bit is set"
        if first & _CONTROL:
            return "a control frame is fragmented, longer than 125 bytes or of a reserved type"
        if first & _OPCODE in {0, _TEXT, _BINARY}:
            return "a message begins inside another, or with a continuation"
        return "the type of the frame is reserved"

    def _fail(
        self, events: list[Any], reason: str, code: CloseCode = CloseCode.PROTOCOL_ERROR
    ) -> None:
        self._end()
        events.append(Violation(code, reason))

    def _end(self) -> None:
        self._closed = True
        if self._gathered is not None:
            self._gathered = _NOTHING


def _read_close(payload: bytes) -> CloseReceived | Violation:
    if not payload:
        return CloseReceived(None, "")
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError:
        return Violation(CloseCode.INVALID_DATA, "the close reason is not UTF-8")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _REGISTERED or code in _PRIVATE):
        return Violation(CloseCode.PROTOCOL_ERROR, "the close code is invalid")
    return CloseReceived(code, reason)


class MessageReader(_FrameReader):
    """
    Reads a peer's frames and gathers its messages.

    It keeps what it has been fed and not taken, the payload of the message that has begun, and at most 130
    bytes of a frame whose header has not arrived.

    :param at_most: bytes of payload that a message may have. A longer one is a `Violation` as soon as the
        header of its frame has arrived; nothing of that frame is kept.
    :param masked: whether frames must be masked, as a client's must be; otherwise they must not be.
    """

    __slots__ = ("_unread", "ready")

    ready: bool
    """Whether `take` may find something: bytes have been fed that it has not looked at."""

    def __init__(self, at_most: int, *, masked: bool = True) -> None:
        self._unread = _NOTHING
        self.ready = False
        super().__init__(at_most, masked=masked, gathers=True, texts=True)

    @property
    def unfinished_bytes(self) -> int:
        """How many bytes are kept of a message, or a frame, that is not whole."""
        return len(self._unread) + len(self._gathered or b"")

    def feed(self, data: bytes) -> None:
        """Add the next bytes, for `take`."""
        if not self._closed:
            if self._unread:
                self._unread += data
            else:
                self._unread = bytearray(data)
            self.ready = True

    def take(self, units: int = _UNLIMITED) -> tuple[list[MessageEvent], int]:
        """
        Read what has been fed.

        :param units: of work, after which it stops; see `MESSAGE_UNITS`.
        :return: what the bytes complete, in order, and how much work that was. A `CloseReceived` or a
            `Violation` is the last event there is.
        """
        events: list[MessageEvent] = []
        unread = self._unread
        end = len(unread)
        used = self._read(unread, 0, end, events, units)
        # It has stopped because of the bytes, not of the units.
        self.ready = self._spent >= units and used < end and not self._closed
        if used == end or self._closed:
            self._unread = _NOTHING
        else:
            del unread[:used]
        return events, self._spent

    def read(self, data: bytes) -> list[MessageEvent]:
        """Read the next bytes; see `take`."""
        self.feed(data)
        return self.take()[0]


@attrs.frozen
class StreamPosition:
    """
    Where a `StreamReader` stands in a peer's frames, for another one to go on from there.

    :ivar begun: what has arrived of a frame whose header is not whole, or of a control frame that is not.
    :ivar inside: whether a message has begun that is not complete.
    :ivar text: whether that is text.
    :ivar left: bytes to come of a data frame that is not whole.
    :ivar mask: four bytes, of which the first is for the next of these bytes; none: nothing is masked.
    :ivar final: whether that frame ends its message.
    """

    begun: bytes = b""
    inside: bool = False
    text: bool = False
    left: int = 0
    mask: bytes = b""
    final: bool = False


class StreamReader(_FrameReader):
    """
    Reads the frames of a client whose binary messages are a stream of bytes of any length.

    Payload is unmasked where it stands and handed on as it arrives. At most 130 bytes are kept.

    :param texts: whether text messages are handed on, too, apart from the stream.
    :param position: where another reader has stopped; it had the same `texts`.
    """

    __slots__ = ("_held",)

    def __init__(self, *, texts: bool = False, position: StreamPosition | None = None) -> None:
        super().__init__(_LONGEST, masked=True, gathers=False, texts=texts)
        self._held = b""
        if position is not None:
            self._held = position.begun
            self._allowed = _INSIDE if position.inside else _BETWEEN
            self._text = position.text
            self._left, self._mask, self._final = position.left, position.mask, position.final

    @property
    def position(self) -> StreamPosition:
        """Where it stands; it has met no fault, no close frame, and no text that it does not hand on."""
        return StreamPosition(
            self._held, self._allowed is _INSIDE, self._text, self._left, self._mask, self._final
        )

    @property
    def units(self) -> int:
        """How much work the latest `read` was: 1 for each frame, and 1 more for each 4 KiB."""
        return self._spent

    @property
    def unfinished_bytes(self) -> int:
        """How many bytes are kept of a frame whose header is not whole."""
        return len(self._held)

    def length_before_payload(self, data: bytes) -> int:
        """
        Count the bytes that come before the next byte of a binary message, without reading them.

        :param data: what is to be read next.
        :return: 0 to its length.
        """
        text = self._text
        if self._left and not text:
            return 0
        wire, at = self._held + data, self._left
        while at + 2 <= len(wire):
            opcode, size = wire[at] & _OPCODE, wire[at + 1] & 0x7F
            header = _LONG_HEADERS[True].get(size)
            start = at + (6 if header is None else header.size)
            if start > len(wire):
                break
            if header is not None:
                size = header.unpack_from(wire, at)[0]
            if opcode in {_TEXT, _BINARY}:
                text = opcode == _TEXT
            if size and not text and not opcode & _CONTROL:
                return start - len(self._held)
            at = start + size
        return len(data)

    def read(self, memory: memoryview, start: int, end: int) -> list[StreamEvent]:
        """
        Read the next bytes, from `start` to `end` of `memory`.

        :param memory: writable; also the `MARGIN` bytes before `start` are written to.
        :return: pieces of payload, which are views of `memory` and never empty, and what comes between
            them, in order. A `CloseReceived` or a `Violation` is the last event there is.
        """
        events: list[StreamEvent] = []
        at = start - len(self._held)
        memory[at:start] = self._held
        at = self._read(memory, at, end, events, _UNLIMITED)
        self._held = b"" if self._closed else bytes(memory[at:end])
        return events

    def read_bytes(self, data: bytes) -> list[StreamEvent]:
        """Read the next bytes, from memory of their own; see `read`."""
        memory = bytearray(MARGIN)
        memory += data
        return self.read(memoryview(memory), MARGIN, len(memory))


def frame_header(first: int, size: int, mask: bytes = b"") -> bytes:
    """
    Write the header of a frame, with its length in the shortest form.

    :param first: the first byte: the opcode, and 0x80 where the frame ends its message.
    :param size: bytes of payload.
    :param mask: four bytes for a client's frame, none for a server's.
    """
    bit = 0x80 if mask else 0
    if size < 126:
        return b"%c%c" % (first, bit | size) + mask
    if size < 1 << 16:
        return b"%c%c" % (first, bit | 126) + size.to_bytes(2, "big") + mask
    return b"%c%c" % (first, bit | 127) + size.to_bytes(8, "big") + mask


def client_frame(opcode: Opcode, payload: bytes, mask: bytes, *, final: bool = True) -> bytes:
    """
    Write a frame as a client sends it.

    :param mask: four bytes; RFC 6455, section 5.3, wants them unpredictable.
    :param final: whether the frame ends its message.
    """
    first = opcode | _FIN if final else int(opcode)
    return frame_header(first, len(payload), mask) + masked_copy(payload, mask)


def binary_header(size: int) -> bytes:
    """Write the header of a server's binary message that is one frame of `size` bytes."""
    return frame_header(_FIN | _BINARY, size)


def text_frame(payload: bytes) -> bytes:
    """Write a server's text message as one frame; `payload` is UTF-8."""
    return frame_header(_FIN | _TEXT, len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """Write a server's ping; `payload` has at most 125 bytes."""
    return frame_header(_FIN | _PING, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """Write a server's answer to a ping with this payload."""
    return frame_header(_FIN | _PONG, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Write a server's close frame; `reason` has at most 123 bytes in UTF-8."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return frame_header(_FIN | _CLOSE, len(payload)) + payload
