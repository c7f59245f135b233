"""A WebSocket client's side of the wire (RFC 6455): just enough of it, and freely wrong."""

import struct

REQUEST = (
    b"GET /transit HTTP/1.1\r\n"
    b"Host: relay.example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The answer to that key."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def masked(data: bytes) -> bytes:
    """`data` as a client must send it."""
    whole = MASK * (len(data) // 4 + 1)
    number = int.from_bytes(data) ^ int.from_bytes(whole[: len(data)])
    return number.to_bytes(len(data))


def header(length: int, opcode: int = BINARY, *, final: bool = True, mask: bool = True) -> bytes:
    """What comes before a frame's payload."""
    first = (0x80 if final else 0) | opcode
    masking = 0x80 if mask else 0
    if length < 126:
        head = struct.pack("!BB", first, masking | length)
    elif length < 65536:
        head = struct.pack("!BBH", first, masking | 126, length)
    else:
        head = struct.pack("!BBQ", first, masking | 127, length)
    return head + (MASK if mask else b"")


def frame(data: bytes, opcode: int = BINARY, *, final: bool = True) -> bytes:
    """A client's frame."""
    return header(len(data), opcode, final=final) + masked(data)


def close(code: int = 1000) -> bytes:
    """A client's close frame."""
    return frame(struct.pack("!H", code), CLOSE)


def parse(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """A server's frames, as opcodes and payloads, and what is left over."""
    found: list[tuple[int, bytes]] = []
    while len(data) >= 2:
        first, length = data[0], data[1]
        start = {126: 4, 127: 10}.get(length, 2)
        if length == 126:
            length = int.from_bytes(data[2:4])
        elif length == 127:
            length = int.from_bytes(data[2:10])
        if not first & 0x80 or data[1] & 0x80:
            raise AssertionError("the relay sends whole messages, unmasked")
        if len(data) < start + length:
            break
        found.append((first & 0x0F, data[start : start + length]))
        data = data[start + length :]
    return found, data
