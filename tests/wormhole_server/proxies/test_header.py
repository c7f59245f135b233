"""Tests of `wormhole_server.proxies.header`."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.proxies.header import V2_LONGEST, Answer, Header, read_header
from wormhole_server.proxies.places import Place, read_ip

V2 = b"\r\n\r\n\0\r\nQUIT\n"
PORTS = st.integers(0, 65535)


def v2(command: int, family: int, rest: bytes) -> bytes:
    return V2 + bytes([0x20 | command, family]) + struct.pack("!H", len(rest)) + rest


def place(ip: str, port: int) -> Place:
    read = read_ip(ip)
    assert read is not None
    return Place(read, port)


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, Place | None]:
    """A header, and whom it names."""
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
            place(source, port),
        ),
        "v1-unknown": (f"PROXY UNKNOWN {'f' * draw(st.integers(0, 91))}\r\n".encode(), None),
        "v2": (stream, place(source, port)),
        "v2-local": (v2(0, draw(st.integers(0, 255)), tlvs), None),
        "v2-unix": (v2(1, 0x31, bytes(216) + tlvs), None),
        "v2-unspecified": (v2(1, 0, tlvs), None),
    }[kind]


class HeaderTests(SynchronousTestCase):
    @given(headers(), st.binary(max_size=20))
    def test_byte_by_byte(self, header: tuple[bytes, Place | None], rest: bytes) -> None:
        """More is needed until its last byte is there; what follows makes no difference."""
        data, client = header
        for length in range(len(data)):
            self.assertIs(read_header(data[:length]), Answer.NEED_MORE)
        self.assertEqual(read_header(data + rest), Header(client, len(data)))

    @given(st.one_of(st.binary(), st.binary().map(V2.__add__), st.binary().map(b"PROXY ".__add__)))
    def test_any_bytes(self, data: bytes) -> None:
        """Byte by byte: need more, and then one answer, which stays; and never for ever."""
        final: Header | Answer | None = None
        for length in range(len(data) + 1):
            read = read_header(data[:length])
            if final is not None:
                self.assertEqual(read, final)
            elif read is not Answer.NEED_MORE:
                final = read
        self.assertLessEqual(final.length if isinstance(final, Header) else 0, len(data))

    def test_bounded(self) -> None:
        """No header goes on for ever."""
        self.assertIs(read_header(b"PROXY TCP4 " + b"1" * 95), Answer.NEED_MORE)
        self.assertIs(read_header(b"PROXY TCP4 " + b"1" * 96), Answer.BROKEN)
        longest = b"PROXY UNKNOWN " + b"1" * 91 + b"\r\n"
        self.assertEqual(read_header(longest), Header(None, 107))
        self.assertIs(read_header(b"PROXY UNKNOWN " + b"1" * 92 + b"\r\n"), Answer.BROKEN)
        longest = v2(0, 0, bytes(V2_LONGEST - 16))
        self.assertEqual(read_header(longest), Header(None, V2_LONGEST))
        self.assertIs(read_header(v2(0, 0, bytes(V2_LONGEST - 15))[:16]), Answer.BROKEN)

    def test_no_header(self) -> None:
        """What clients begin with is known for what it is at the first byte that differs."""
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
            self.assertIs(read_header(data), Answer.NO_HEADER, data)

    def test_broken_v1(self) -> None:
        """A line that is not just right is not a bit right."""
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
            self.assertIs(read_header(line + b"\r\n"), Answer.BROKEN, line)

    def test_broken_v2(self) -> None:
        """Other versions, commands, families and transports, and addresses that are too short."""
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
            self.assertIs(read_header(data), Answer.BROKEN, data)

    def test_mapped(self) -> None:
        """An IPv4 client of a proxy that listens on IPv6 is an IPv4 client."""
        line = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 9 80\r\n"
        self.assertEqual(read_header(line), Header(place("192.0.2.7", 9), len(line)))
