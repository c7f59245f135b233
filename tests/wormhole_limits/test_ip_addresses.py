"""Tests of `wormhole_limits.ip_addresses`."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.ip_addresses import (
    PeerAddress,
    address_block,
    block_of,
    parse_ip,
    parse_peer_address,
    peer_address,
)

IPS = st.ip_addresses().filter(lambda ip: getattr(ip, "ipv4_mapped", None) is None)


class ParsePeerAddressTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """An address is parsed with and without a port, brackets and a zone; a mapped one becomes IPv4."""
        four, six = ip_address("192.0.2.7"), ip_address("2001:db8::7")
        for raw, place in {
            b"192.0.2.7": PeerAddress(four),
            b" 192.0.2.7\t": PeerAddress(four),
            b"192.0.2.7:1234": PeerAddress(four, 1234),
            b"2001:db8::7": PeerAddress(six),
            b"[2001:db8::7]": PeerAddress(six),
            b"[2001:DB8:0::7]:1234": PeerAddress(six, 1234),
            b"2001:db8::7%eth0": PeerAddress(six),
            b"::ffff:192.0.2.7": PeerAddress(four),
            b"[::ffff:192.0.2.7]:80": PeerAddress(four, 80),
        }.items():
            self.assertEqual(parse_peer_address(raw), place, raw)

    def test_malformed(self) -> None:
        """A text that is not an address gives None."""
        for raw in (
            b"",
            b"unknown",
            b"_hidden",
            b"192.0.2",
            b"192.0.2.7:",
            b"192.0.2.7:x",
            b"192.0.2.7:99999",
            b"192.0.2.7:-1",
            b"192.0.2.07",
            b"[192.0.2.7]",
            b"[2001:db8::7",
            b"[2001:db8::7]1",
            b"[2001:db8::7]:",
            b"2001:db8::7::1",
            b"1.2.3.4 5.6.7.8",
            b"1.2.3.4\n",
            "１.2.3.4".encode(),
            b"[" * 200,
            b"1.2.3.4" + b" " * 200,
        ):
            self.assertIsNone(parse_peer_address(raw), raw)

    @given(IPS, st.integers(1, 65535))
    def test_round_trip(self, ip: object, port: int) -> None:
        """An address is parsed from the form in which proxies write it."""
        shown = f"[{ip}]" if ":" in str(ip) else str(ip)
        self.assertEqual(parse_peer_address(str(ip).encode()), PeerAddress(ip))  # type: ignore[arg-type]
        self.assertEqual(parse_peer_address(f"{shown}:{port}".encode()), PeerAddress(ip, port))  # type: ignore[arg-type]

    @given(st.binary(max_size=120))
    def test_any_bytes(self, raw: bytes) -> None:
        """Any bytes give an address with a valid port, or None."""
        place = parse_peer_address(raw)
        self.assertTrue(place is None or 0 <= place.port <= 65535)


class PeerAddressTests(SynchronousTestCase):
    def test_of_addresses(self) -> None:
        """Twisted's addresses are converted, and converted back."""
        for address in (
            IPv4Address("TCP", "192.0.2.7", 1234),
            IPv6Address("TCP", "2001:db8::7", 1234),
        ):
            place = peer_address(address)
            assert place is not None
            self.assertEqual(place.as_address(), address)
        mapped = peer_address(IPv6Address("TCP", "::ffff:192.0.2.7", 1))
        self.assertEqual(mapped, PeerAddress(ip_address("192.0.2.7"), 1))
        self.assertIsNone(peer_address(UNIXAddress(b"/run/socket")))
        self.assertIsNone(peer_address(None))

    def test_address_block(self) -> None:
        """A block is one IPv4 address or a /64 of IPv6, and no two blocks have the same number."""

        def of(text: str) -> int:
            ip = parse_ip(text)
            assert ip is not None
            return address_block(ip)

        self.assertEqual(of("2001:db8::1"), of("2001:db8::ffff:1"))
        self.assertNotEqual(of("2001:db8::1"), of("2001:db8:0:1::1"))
        self.assertNotEqual(of("192.0.2.1"), of("192.0.2.2"))
        self.assertEqual(of("192.0.2.1"), of("::ffff:192.0.2.1"))
        self.assertNotEqual(of("0.0.0.1"), of("0:0:0:1::"))

    def test_block_of(self) -> None:
        """Of Twisted's addresses, those without an IP have a block of their own."""
        self.assertEqual(block_of(IPv4Address("TCP", "0.0.0.7", 1)), 7)
        self.assertEqual(block_of(UNIXAddress(b"/run/socket")), 0)
        self.assertEqual(block_of(None), 0)
