"""Tests of `wormhole_server.listening.proxies.proxy_protocol`."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.ip_addresses import PeerAddress, parse_ip
from wormhole_server.listening.proxies.proxy_protocol import (
    V2_MAX_BYTES,
    HeaderStatus,
    ProxyHeader,
    read_proxy_header,
)

V2 = b"\r\n\r\n\0\r\nQUIT\n"
PORTS = st.integers(0, 65535)


def v2(command: int, family: int, rest: bytes) -> bytes:
    return V2 + bytes([0x20 | command, family]) + struct.pack("!H", len(rest)) + rest


def address(ip: str, port: int) -> PeerAddress:
    parsed = parse_ip(ip)
    assert parsed is not None
    return PeerAddress(parsed, port)


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, PeerAddress | None]:
    """A header, and the client that it names."""
    version = draw(st.sampled_from((4, 6)))
    ips = st.ip_addresses(v=4) if version == 4 else st.ip_addresses(v=6)
    source, destination = str(draw(ips)), str(draw(ips))
    port, to = draw(PORTS), draw(PORTS)
    kind = draw(
        st.sampled_from(("v1", "v1-unknown", "v2", "v2-local", "v2-unix", "v2-unspecified"))
    )
    tlvs = draw(st.binary(max_size=300))
    packed = ip_address(source).packed + ip_address(destination).packed
    stream = v2(1, 0x11 if version == 4 else 0x21, packed + struct.pack("!HH", port, to) + tlvs)
    return {
        "v1": (
            f"PROXY TCP{version} {source} {destination} {port} {to}\r\n".encode(),
            address(source, port),
        ),
        "v1-unknown": (f"PROXY UNKNOWN {'f' * draw(st.integers(0, 91))}\r\n".encode(), None),
        "v2": (stream, address(source, port)),
        "v2-local": (v2(0, draw(st.integers(0, 255)), tlvs), None),
        "v2-unix": (v2(1, 0x31, bytes(216) + tlvs), None),
        "v2-unspecified": (v2(1, 0, tlvs), None),
    }[kind]


class HeaderTests(SynchronousTestCase):
    @given(headers(), st.binary(max_size=20))
    def test_byte_by_byte(self, header: tuple[bytes, PeerAddress | None], rest: bytes) -> None:
        """More is needed up to the last byte; what follows makes no difference."""
        data, client = header
        for length in range(len(data)):
            self.assertIs(read_proxy_header(data[:length]), HeaderStatus.NEED_MORE)
        self.assertEqual(read_proxy_header(data + rest), ProxyHeader(client, len(data)))

    @given(st.one_of(st.binary(), st.binary().map(V2.__add__), st.binary().map(b"PROXY ".__add__)))
    def test_any_bytes(self, data: bytes) -> None:
        """Byte by byte any bytes need more, until there is one result, which stays."""
        final: ProxyHeader | HeaderStatus | None = None
        for length in range(len(data) + 1):
            read = read_proxy_header(data[:length])
            if final is not None:
                self.assertEqual(read, final)
            elif read is not HeaderStatus.NEED_MORE:
                final = read
        self.assertLessEqual(final.length if isinstance(final, ProxyHeader) else 0, len(data))

    def test_bounded(self) -> None:
        """A header has a maximum length."""
        self.assertIs(read_proxy_header(b"PROXY TCP4 " + b"1" * 95), HeaderStatus.NEED_MORE)
        self.assertIs(read_proxy_header(b"PROXY TCP4 " + b"1" * 96), HeaderStatus.INVALID)
        longest = b"PROXY UNKNOWN " + b"1" * 91 + b"\r\n"
        self.assertEqual(read_proxy_header(longest), ProxyHeader(None, 107))
        self.assertIs(
            read_proxy_header(b"PROXY UNKNOWN " + b"1" * 92 + b"\r\n"), HeaderStatus.INVALID
        )
        longest = v2(0, 0, bytes(V2_MAX_BYTES - 16))
        self.assertEqual(read_proxy_header(longest), ProxyHeader(None, V2_MAX_BYTES))
        self.assertIs(
            read_proxy_header(v2(0, 0, bytes(V2_MAX_BYTES - 15))[:16]), HeaderStatus.INVALID
        )

    def test_no_header(self) -> None:
        """Bytes that are no header are recognized at the first byte that differs."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"please relay ",
            b"PUT",
            b"PROPFIND",
            b"PROXY\r\n",
            b"proxy TCP4",
            b"\r\nGET",
            b"\r\n\r\nG",
            b"\x16\x03\x01",
        ):
            self.assertIs(read_proxy_header(data), HeaderStatus.NO_HEADER, data)

    def test_invalid_v1(self) -> None:
        """A line that breaks the rules in any way is invalid."""
        for line in (
            b"PROXY ",
            b"PROXY TCP4",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1",
            b"PROXY TCP4 192.0.2.7  192.0.2.1 1 2",
            b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2",
            b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2",
            b"PROXY TCP4 192.0.2.7 what 1 2",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 01 2",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 2",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 -2",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n",
            b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2",
            b"PROXY tcp4 192.0.2.7 192.0.2.1 1 2",
            "PROXY TCP4 192.0.2.7 192.0.2.1 1 ２".encode(),
        ):
            self.assertIs(read_proxy_header(line + b"\r\n"), HeaderStatus.INVALID, line)

    def test_invalid_v2(self) -> None:
        """Unknown versions, commands, families and transports are invalid, and short addresses."""
        addresses = bytes(216)
        for data in (
            V2 + b"\x11",
            V2 + b"\x31",
            V2 + b"\x22",
            v2(1, 0x41, addresses),
            v2(1, 0x13, addresses),
            v2(1, 0x11, bytes(11)),
            v2(1, 0x21, bytes(35)),
            v2(1, 0x31, bytes(215)),
        ):
            self.assertIs(read_proxy_header(data), HeaderStatus.INVALID, data)

    def test_mapped(self) -> None:
        """An IPv4 client in an IPv6 header is an IPv4 client."""
        line = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 9 80\r\n"
        self.assertEqual(read_proxy_header(line), ProxyHeader(address("192.0.2.7", 9), len(line)))
