"""
The plain opening handshake: the request as all WebSocket clients write it (RFC 6455, section 4.1). No I/O.

Owns how such a request is told from everything else by its bytes. It is so strict that every parser of HTTP
reads the same in what it accepts (RFC 9112, section 2.2), and Autobahn's may be trusted with it. Also owns
the answer where there is nothing to decide, as for clients that are not browsers: Autobahn takes ten times
as long for it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from typing import Final

LONGEST_HEAD: Final = 16 * 1024
"""Bytes of a request's head. Browsers send less than 2 KiB; twisted.web takes as much."""

# Names are tokens, values ASCII without control characters, and no line continues another.
_PLAIN: Final = re.compile(
    rb"GET ([!-~]+) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
_NAME: Final = re.compile(rb"^[^:\n]+", re.MULTILINE)
_UPGRADE: Final = b"\nupgrade: websocket\r\n"
_HOST: Final = re.compile(rb"^host:[\t ]*(.*?)[\t ]*\r$", re.MULTILINE)
# A request with a body, and one that waits before it sends that.
_UNUSUAL: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})

# What a server decides about.
_UNDECIDED: Final = frozenset({b"origin", b"sec-websocket-origin", b"sec-websocket-protocol"})
_KEY: Final = re.compile(rb"[+/0-9A-Za-z]{22}==")
_KEY_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RESPONSE: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)

_VALID_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z._~%!$&'()*+,;=-]*)(?::[0-9]*)?"
)


def is_valid_host(value: bytes) -> bool:
    """Return whether a `Host` header may have this value (RFC 9110, section 7.2)."""
    return _VALID_HOST.fullmatch(value) is not None


def plain_handshake_path(data: bytes) -> bytes | None:
    """
    Return the path of the opening handshake that `data` begins with; frames may follow it.

    :return: None where `data` begins with anything else, with an incomplete request, or with one that only
        a parser for HTTP can be trusted with.
    """
    request = _PLAIN.match(data, 0, LONGEST_HEAD)
    if request is None:
        return None
    headers = b"\n" + request[2].lower()
    names = _NAME.findall(headers)
    unique = set(names)
    if _UPGRADE not in headers or len(unique) < len(names) or not unique.isdisjoint(_UNUSUAL):
        return None
    host = _HOST.search(headers)
    return request[1] if host is not None and is_valid_host(host[1]) else None


def plain_response(data: bytes) -> bytes | None:
    """
    Answer the plain opening handshake that `data` begins with (RFC 6455, section 4.2.2), without extensions.

    :return: None where `data` begins with anything else, or something has to be decided or refused: an
        origin, a subprotocol, another version, a key of another form.
    """
    path = plain_handshake_path(data)
    if path is None or b"#" in path:
        return None
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    headers = {
        name.lower(): value.strip(b"\t ")
        for name, _, value in (line.partition(b":") for line in lines)
    }
    key = headers.get(b"sec-websocket-key", b"")
    if (
        headers.get(b"connection", b"").lower() != b"upgrade"
        or headers.get(b"sec-websocket-version") != b"13"
        or not _UNDECIDED.isdisjoint(headers)
        or _KEY.fullmatch(key) is None
    ):
        return None
    return _RESPONSE % b64encode(sha1(key + _KEY_SUFFIX, usedforsecurity=False).digest())
