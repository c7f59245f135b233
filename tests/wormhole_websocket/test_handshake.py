"""Tests of `wormhole_websocket.handshake`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_websocket.fakes import ACCEPT, REQUEST
from wormhole_websocket.handshake import plain_handshake_path, plain_response


class PathTests(SynchronousTestCase):
    """`plain_handshake_path`."""

    def test_plain(self) -> None:
        """A whole request has its path, whatever the case of its headers and whatever follows it."""
        for data in (
            REQUEST,
            REQUEST.replace(b"websocket", b"WebSocket"),
            REQUEST + b"\x81\x80mask",
        ):
            self.assertEqual(plain_handshake_path(data), b"/v1")
        self.assertEqual(plain_handshake_path(REQUEST.replace(b"/v1", b"/a?b=c")), b"/a?b=c")
        upgrade = b"Upgrade: websocket\r\n"
        last = REQUEST.replace(upgrade, b"").replace(b"\r\n\r\n", b"\r\n" + upgrade + b"\r\n")
        self.assertEqual(plain_handshake_path(last), b"/v1")

    def test_behind_the_head(self) -> None:
        """What follows the request has no influence."""
        self.assertEqual(plain_handshake_path(REQUEST + b"\r\nContent-Length: 5\r\n\r\n"), b"/v1")
        plain = REQUEST.replace(b"Upgrade: websocket\r\n", b"")
        self.assertIsNone(plain_handshake_path(plain + b"\r\nUpgrade: websocket\r\n\r\n"))

    def test_other(self) -> None:
        """Every other request, or one that only a parser can be trusted with, has none."""
        for data in (
            b"",
            b"G",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\r\n" + REQUEST,
            REQUEST.replace(b"GET", b"POST"),
            REQUEST.replace(b"GET", b"get"),
            REQUEST.replace(b"1.1", b"1.0"),
            REQUEST.replace(b"/v1", b"/v 1"),
            REQUEST.replace(b"/v1", b""),
            REQUEST.replace(b"Upgrade: websocket\r\n", b""),
            REQUEST.replace(b"websocket", b"h2c"),
            REQUEST.replace(b"example.com", b"example.com\r\n folded"),
            REQUEST.replace(b"example.com", b"example.com\r\n\tfolded"),
            REQUEST.replace(b"example.com", b"example.com\r\nHost: example.com"),
            REQUEST.replace(b"example.com", b"example.com\r\nContent-Length: 4"),
            REQUEST.replace(b"example.com", b"example.com\r\nTransfer-Encoding: chunked"),
            b"\x16\x03\x01\x02\x00",
        ):
            self.assertIsNone(plain_handshake_path(data), data)

    @given(st.integers(0, len(REQUEST) - 1))
    def test_incomplete(self, cut: int) -> None:
        """A request that is not whole has none."""
        self.assertIsNone(plain_handshake_path(REQUEST[:cut]))


class ResponseTests(SynchronousTestCase):
    """`plain_response`."""

    def test_nothing_to_decide(self) -> None:
        """A request that leaves nothing to decide is answered, whatever the case of its headers."""
        response = plain_response(REQUEST)
        assert response is not None
        self.assertEqual(response.count(ACCEPT), 1)
        for data in (
            REQUEST + b"frames",
            REQUEST.replace(b"Connection", b"connection").replace(
                b"Upgrade\r\n", b" UPGRADE\t\r\n"
            ),
            REQUEST[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            REQUEST[:-2] + b"User-Agent: a: b\r\nX:\r\n\r\n",
        ):
            self.assertEqual(plain_response(data), response, data)

    def test_something_to_decide(self) -> None:
        """A request that a server may refuse, or answer in several ways, is not answered."""
        for data in (
            REQUEST[:-1],
            REQUEST.replace(b"/v1", b"/v1#x"),
            REQUEST.replace(b": 13", b": 8"),
            REQUEST.replace(b"Sec-WebSocket-Version: 13\r\n", b""),
            REQUEST.replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"),
            REQUEST.replace(b"Connection: Upgrade\r\n", b""),
            REQUEST.replace(b"==", b"="),
            REQUEST.replace(b"==", b"A="),
            REQUEST.replace(b"dGhl", b"dGh-"),
            *(
                REQUEST[:-2] + name + b": x\r\n\r\n"
                for name in (b"Origin", b"sec-websocket-origin", b"Sec-WebSocket-Protocol")
            ),
        ):
            self.assertIsNone(plain_response(data), data)
