"""Tests of `wormhole_server.proxies.places`."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.proxies.places import Place, neighbourhood, place_of, read_ip, read_place

IPS = st.ip_addresses().filter(lambda ip: getattr(ip, "ipv4_mapped", None) is None)


class ReadPlaceTests(SynchronousTestCase):
    def test_all_ways_to_write_one(self) -> None:
        """With and without a port, in brackets, with a zone, mapped."""
        four, six = ip_address("192.0.2.7"), ip_address("2001:db8::7")
        for raw, place in {
            b"192.0.2.7": Place(four),
            b" 192.0.2.7\t": Place(four),
            b"192.0.2.7:1234": Place(four, 1234),
            b"2001:db8::7": Place(six),
            b"[2001:db8::7]": Place(six),
            b"[2001:DB8:0::7]:1234": Place(six, 1234),
            b"2001:db8::7%eth0": Place(six),
            b"::ffff:192.0.2.7": Place(four),
            b"[::ffff:192.0.2.7]:80": Place(four, 80),
        }.items():
            self.assertEqual(read_place(raw), place, raw)

    def test_malformed(self) -> None:
        """What is no address is none."""
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
            self.assertIsNone(read_place(raw), raw)

    @given(IPS, st.integers(1, 65535))
    def test_round_trip(self, ip: object, port: int) -> None:
        """What is written as proxies write it is read as what it was."""
        shown = f"[{ip}]" if ":" in str(ip) else str(ip)
        self.assertEqual(read_place(str(ip).encode()), Place(ip))  # type: ignore[arg-type]
        self.assertEqual(read_place(f"{shown}:{port}".encode()), Place(ip, port))  # type: ignore[arg-type]

    @given(st.binary(max_size=120))
    def test_any_bytes(self, raw: bytes) -> None:
        """Nothing makes it fail."""
        place = read_place(raw)
        self.assertTrue(place is None or 0 <= place.port <= 65535)


class PlaceTests(SynchronousTestCase):
    def test_of_addresses(self) -> None:
        """A peer's address, and back."""
        for address in (
            IPv4Address("TCP", "192.0.2.7", 1234),
            IPv6Address("TCP", "2001:db8::7", 1234),
        ):
            place = place_of(address)
            assert place is not None
            self.assertEqual(place.as_address(), address)
        mapped = place_of(IPv6Address("TCP", "::ffff:192.0.2.7", 1))
        self.assertEqual(mapped, Place(ip_address("192.0.2.7"), 1))
        self.assertIsNone(place_of(UNIXAddress(b"/run/socket")))
        self.assertIsNone(place_of(None))

    def test_neighbourhood(self) -> None:
        """An IPv4 address is alone; a /64 of IPv6 is one, and none is another's."""

        def of(text: str) -> int:
            ip = read_ip(text)
            assert ip is not None
            return neighbourhood(ip)

        self.assertEqual(of("2001:db8::1"), of("2001:db8::ffff:1"))
        self.assertNotEqual(of("2001:db8::1"), of("2001:db8:0:1::1"))
        self.assertNotEqual(of("192.0.2.1"), of("192.0.2.2"))
        self.assertEqual(of("192.0.2.1"), of("::ffff:192.0.2.1"))
        self.assertNotEqual(of("0.0.0.1"), of("0:0:0:1::"))
