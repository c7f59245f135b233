"""
The two kinds of WebSocket frame that all traffic of well-behaved clients consists of (RFC 6455, 5.2).

Owns the bytes of an outgoing message, one unmasked text frame, so that one encoding serves every listener
of a mailbox; and a short way for an incoming message that is one whole masked frame, which costs a tenth of
the long way through Autobahn. Everything else (fragments, control frames, faults) is Autobahn's. No I/O.
"""

from __future__ import annotations

PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """The frame that carries `payload`, which is UTF-8."""
    size = len(payload)
    if size < 126:
        return b"\x81%c" % size + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with `payload`, which has at most 125 bytes."""
    return b"\x8a%c" % len(payload) + payload


def take_messages(data: bytes, at_most: int) -> tuple[list[bytes], bytes]:
    """
    The messages at the start of `data` that are one whole frame each, and what comes behind them.

    :param at_most: a message with more bytes ends the short way, as does whatever else is not plain.
    """
    messages = []
    start, end = 0, len(data)
    # FIN with text or binary; a mask, as a client's frame must have.
    while end - start >= 6 and data[start] in _WHOLE and (size := data[start + 1]) & 0x80:
        size &= 0x7F
        mask_at = start + 2
        if size == 126:
            size = int.from_bytes(data[mask_at : mask_at + 2], "big")
            mask_at += 2
        payload_at = mask_at + 4
        if size == 127 or size > at_most or payload_at + size > end:
            break
        start = payload_at + size
        mask = data[mask_at:payload_at]
        messages.append(_unmask(data[payload_at:start], mask, size))
    return messages, data[start:]


_WHOLE = frozenset({0x81, 0x82})


def _unmask(payload: bytes, mask: bytes, size: int) -> bytes:
    # As two long numbers: one operation, however many bytes.
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
