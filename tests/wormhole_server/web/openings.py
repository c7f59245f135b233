"""
Requests for a WebSocket, and how they are answered: by this server, and by Autobahn alone.

A request has parts, and each part can be written in many ways. The sound ones are combined with all others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SOUND: Final = {
    "line": b"GET /v1 HTTP/1.1\r\n",
    "host": b"Host: example.com\r\n",
    "upgrade": b"Upgrade: websocket\r\n",
    "connection": b"Connection: Upgrade\r\n",
    "key": KEY,
    "version": b"Sec-WebSocket-Version: 13\r\n",
    "protocols": b"",
    "origin": b"",
    "extensions": b"",
    "others": b"",
    "end": b"\r\n",
}
"""The parts of a request, in their order."""


@attrs.frozen
class Variant:
    """
    One part, written in another way.

    :ivar status: of this server's answer.
    :ivar autobahn: of Autobahn's, where it differs.
    :ivar why: the reason for the difference.
    """

    part: str
    written: bytes
    status: int
    autobahn: int | None = None
    why: str = ""

    @property
    def autobahn_status(self) -> int:
        """Autobahn's answer."""
        return self.status if self.autobahn is None else self.autobahn


V = Variant
LENIENT = "one parser must not accept what another reads differently (RFC 9112, section 11.2)"
VERSION = "to twisted.web, the line of a request with another version is malformed"
OLD = "HTTP/1.0 has no upgrades; the header is ignored (RFC 9110, section 7.8)"
NOT_ASKED = "a request that asks for no WebSocket is told what is here (RFC 9110, section 15.5.22)"
DECLINED = "an offer that is not understood is declined (RFC 7692, section 7.1)"
BODY = "the body of a request is no frame (RFC 9110, section 7.8)"
LIST = "the lines of a list are one list (RFC 6455, section 9.1)"

VARIANTS: Final = [
    V("line", b"GET /v1?a=b&c HTTP/1.1\r\n", 101),
    V("line", b"GET http://example.com/v1 HTTP/1.1\r\n", 101),
    V("line", b"GET HTTPS://example.com:4000/v1?a=b HTTP/1.1\r\n", 101),
    V("line", b"GET /%761 HTTP/1.1\r\n", 101),
    V("line", b"\r\nGET /v1 HTTP/1.1\r\n", 101, 400, "RFC 9112, section 2.2"),
    V("line", b"GET /v1 HTTP/1.0\r\n", 426, 505, OLD),
    V("line", b"GET /v1 HTTP/0.9\r\n", 400, 505, VERSION),
    V("line", b"GET /v1 HTTP/1.2\r\n", 400, 505, VERSION),
    V("line", b"GET /v1 HTTP/2.0\r\n", 400, 505, VERSION),
    V("line", b"GET /v1 HTTP/1.10\r\n", 400, 505, VERSION),
    V("line", b"GET /v1 http/1.1\r\n", 400, 505, VERSION),
    V("line", b"GET /v1 HTTP/1.1 \r\n", 400, 101, LENIENT),
    V("line", b"GET  /v1 HTTP/1.1\r\n", 400, 101, LENIENT),
    V("line", b"GET\t/v1\tHTTP/1.1\r\n", 400, 101, LENIENT),
    V("line", b" GET /v1 HTTP/1.1\r\n", 400, 101, LENIENT),
    V("line", b"GET /v1\r\n", 400),
    V("line", b"GET /v1 x HTTP/1.1\r\n", 400),
    V("line", b"GET\r\n", 400),
    V("line", b"G\0T /v1 HTTP/1.1\r\n", 400, 405, "the name of a method is a token"),
    V("line", b"get /v1 HTTP/1.1\r\n", 405),
    V("line", b"POST /v1 HTTP/1.1\r\n", 405),
    V("line", b"OPTIONS /v1 HTTP/1.1\r\n", 405),
    V("line", b"HEAD /v1 HTTP/1.1\r\n", 426, 405, NOT_ASKED),
    V("line", b"GET /v1#f HTTP/1.1\r\n", 404, 400, "no page has such a name"),
    V("line", b"GET /v1/ HTTP/1.1\r\n", 404, 101, "Autobahn has no paths"),
    V("line", b"GET /" + b"v" * 20_000 + b" HTTP/1.1\r\n", 414, 101, "the length is limited"),
    V("host", b"HOST:example.com:4000\r\n", 101),
    V("host", b"Host: \t [2001:db8::1]:4000 \r\n", 101),
    V("host", b"Host:\r\n", 101),
    V("host", b"", 400),
    V("host", b"Host: example.com\r\nhost: example.com\r\n", 400),
    V("host", b"Host: example.com:x\r\n", 400),
    V("host", b"Host: example com\r\n", 400, 101, "RFC 9112, section 3.2"),
    V("host", b"Host: example.com/v1\r\n", 400, 101, "RFC 9112, section 3.2"),
    V("host", b"Host: me@example.com\r\n", 400, 101, "RFC 9112, section 3.2"),
    V("host", b"Host : example.com\r\n", 400, 101, "RFC 9112, section 5.1"),
    V("upgrade", b"upgrade:WebSocket\r\n", 101),
    V("upgrade", b"Upgrade: h2c, websocket\r\n", 101),
    V("upgrade", b"Upgrade: websocket,h2c\r\n", 101),
    V("upgrade", b"Upgrade: h2c\r\nUpgrade: websocket\r\n", 101),
    V("upgrade", b"Upgrade: websocket\r\nUpgrade: h2c\r\n", 101),
    V("upgrade", b"Upgrade: websocket\r\nUpgrade: websocket\r\n", 101),
    V("upgrade", b"Upgrade:\r\n websocket\r\n", 101, 400, "RFC 9112, section 5.2"),
    V("upgrade", b"", 426),
    V("upgrade", b"Upgrade:\r\n", 426, 400, NOT_ASKED),
    V("upgrade", b"Upgrade: h2c\r\n", 426, 400, NOT_ASKED),
    V("upgrade", b"Upgrade: websockets\r\n", 426, 400, NOT_ASKED),
    V("upgrade", b"Upgrade: web socket\r\n", 426, 400, NOT_ASKED),
    V("upgrade", b"Upgrade : websocket\r\n", 400, 101, "RFC 9112, section 5.1"),
    V("connection", b"connection:upgrade\r\n", 101),
    V("connection", b"Connection: keep-alive, Upgrade\r\n", 101),
    V("connection", b"Connection: Upgrade,,close\r\n", 101),
    V("connection", b"Connection: keep-alive\r\nConnection: Upgrade\r\n", 101),
    V("connection", b"Connection: keep-alive,\r\n\tUpgrade\r\n", 101, 400, "section 5.2"),
    V("connection", b"", 400),
    V("connection", b"Connection:\r\n", 400),
    V("connection", b"Connection: close\r\n", 400),
    V("connection", b"Connection: upgrades\r\n", 400),
    V("key", KEY.lower().replace(b"dghlihnhbxbszsbub25jzq", b"AAAAAAAAAAAAAAAAAAAAAA"), 101),
    V("key", KEY.replace(b": ", b":\t"), 101),
    V("key", b"", 400),
    V("key", KEY + KEY, 400),
    V("key", KEY.replace(b"d", b""), 400),
    V("key", KEY.replace(b"==", b"="), 400),
    V("key", KEY.replace(b"dG", b"d-"), 400),
    V("key", b"Sec-WebSocket-Key:\r\n", 400),
    V("version", b"sec-websocket-version:13\r\n", 101),
    V("version", b"Sec-WebSocket-Version: 8\r\n", 101),
    V("version", b"", 400),
    V("version", b"Sec-WebSocket-Version: 7\r\n", 400),
    V("version", b"Sec-WebSocket-Version: 14\r\n", 400),
    V("version", b"Sec-WebSocket-Version: 13, 8\r\n", 400),
    V("version", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", 400),
    V("version", b"Sec-WebSocket-Version: x\r\n", 400),
    V("protocols", b"Sec-WebSocket-Protocol: a\r\n", 101),
    V("protocols", b"Sec-WebSocket-Protocol: a, b\r\n", 101),
    V("protocols", b"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b,c\r\n", 101),
    V("protocols", b"Sec-WebSocket-Protocol: a, a\r\n", 400),
    V("protocols", b"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", 400),
    V("origin", b"Origin: null\r\n", 101),
    V("origin", b"Origin: https://example.org\r\n", 101),
    V("origin", b"Origin: https://example.org:x\r\n", 400),
    V("origin", b"Origin: null\r\nOrigin: null\r\n", 400),
    V(
        "extensions",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, y\r\n",
        101,
    ),
    V("extensions", b"Sec-WebSocket-Extensions: permessage-deflate; x=1\r\n", 101, 400, DECLINED),
    V("extensions", 2 * b"Sec-WebSocket-Extensions: permessage-deflate\r\n", 101, 400, LIST),
    V("others", b"X-Y: \xe4\r\nX-Y: \t\r\nX-Y: a:b\r\n", 101),
    V("others", b"X-Y: a\r\n  b\r\n\tc\r\n", 101),
    V("others", b"X-Y: a\x85Host: example.org\r\n", 101, 400, "a line ends with CRLF"),
    V("others", b"X-Y: a\nX-Z: b\r\n", 400, 101, LENIENT),
    V("others", b"X-Y: a\rX-Z: b\r\n", 400, 101, LENIENT),
    V("others", b"X-Y: a\0b\r\n", 400, 101, "RFC 9110, section 5.5"),
    V("others", b"X Y: a\r\n", 400, 101, LENIENT),
    V("others", b"X-Y : a\r\n", 400, 101, LENIENT),
    V("others", b"X-Y\r\n", 400, 101, LENIENT),
    V("others", b": a\r\n", 400, 101, LENIENT),
    V("others", b"X-Y: " + b"y" * 20_000 + b"\r\n", 431, 101, "the length is limited"),
    V(
        "others",
        b"X-Y: " + b"y" * 10_000 + b"\r\nX-Z: " + b"z" * 10_000 + b"\r\n",
        400,
        101,
        LENIENT,
    ),
    V("others", b"X-Y: a\r\n" * 600, 400, 101, "the number is limited"),
    V("end", b"Content-Length: 0\r\n\r\n", 101),
    V("end", b"Content-Length: 4\r\n\r\n\x01\x02\x03\x04", 101, 101, BODY),
    V("end", b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 411, 101, BODY),
    V("end", b"Content-Length: -1\r\n\r\n", 400, 101, BODY),
    V("end", b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400, 101, BODY),
    V("end", b"Content-Length: 0, 0\r\n\r\n", 400, 101, BODY),
    V("end", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 101, BODY),
    V("end", b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400, 101, BODY),
]


def request(*variants: Variant) -> bytes:
    """Write a request."""
    written: Mapping[str, bytes] = {each.part: each.written for each in variants}
    return b"".join(written.get(part, sound) for part, sound in SOUND.items())


def pairs() -> Iterator[tuple[Variant, Variant]]:
    """Return all combinations of two parts that are written in another way."""
    for first, second in itertools.combinations(VARIANTS, 2):
        # Version 8 has no header Origin, and what that says is ignored.
        if first.part != second.part and (b": 8" not in first.written or second.part != "origin"):
            yield first, second
