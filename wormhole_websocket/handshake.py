"""
The plain opening handshake: the request as all WebSocket clients write it (RFC 6455, section 4.1). No I/O.

Owns how such a request is told from everything else by its bytes. It is so strict that every parser of HTTP
reads the same in what it accepts (RFC 9112, section 2.2), and Autobahn's may be trusted with it.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST_HEAD: Final = 16 * 1024
"""Bytes of a request's head. Browsers send less than 2 KiB; twisted.web takes as much."""

# Names are tokens, values ASCII without control characters, and no line continues another.
_PLAIN: Final = re.compile(
    rb"GET ([!-~]+) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n"
)
_NAME: Final = re.compile(rb"^[^:]+", re.MULTILINE)
_UPGRADE: Final = b"\nupgrade: websocket\r\n"
_HOST: Final = re.compile(rb"^host:[\t ]*(.*?)[\t ]*\r$", re.MULTILINE)
# A request with a body, and one that waits before it sends that.
_UNUSUAL: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})

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
