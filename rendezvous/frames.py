"""
Outgoing WebSocket frames: a message of the server's is always one unmasked text frame (RFC 6455, 5.2).

Owns the bytes of the frame header, so that one encoding serves every listener of a mailbox. No I/O.
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
