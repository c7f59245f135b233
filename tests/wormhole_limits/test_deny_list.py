"""Tests of `wormhole_limits.deny_list`."""

from __future__ import annotations

import contextlib
import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.deny_list import (
    DEFAULT_MESSAGE,
    EMPTY,
    MAX_MESSAGE_LETTERS,
    DenyListError,
    parse_deny_list,
)
from wormhole_limits.ip_addresses import IP, parse_ip

NETWORKS = st.one_of(
    st.builds(
        lambda ip, length: ipaddress.ip_network((ip, length), strict=False),
        st.ip_addresses(v=4),
        st.integers(0, 32),
    ),
    st.builds(
        lambda ip, length: ipaddress.ip_network((ip, length), strict=False),
        st.ip_addresses(v=6),
        st.integers(0, 128),
    ),
).filter(lambda network: getattr(network.network_address, "ipv4_mapped", None) is None)


def ip(text: str) -> IP:
    read = parse_ip(text)
    assert read is not None
    return read


class ParseDenyListTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """Networks, addresses, messages, comments and empty lines are read; line ends may be those of DOS."""
        denied = parse_deny_list(
            b"# from the report of May\r\n"
            b"\n"
            b"192.0.2.0/24 Write to abuse@example.org.  # a botnet\r\n"
            b"\t 198.51.100.7\n"
            b"198.51.100.8 # no message\n"
            b"2001:db8::/32\tGo away, #2 is not a comment? It is."
        )
        self.assertEqual(denied.count, 4)
        for text, message in {
            "192.0.2.77": "Write to abuse@example.org.",
            "198.51.100.7": DEFAULT_MESSAGE,
            "198.51.100.8": DEFAULT_MESSAGE,
            "198.51.100.9": None,
            "2001:db8:7::1": "Go away,",
            "2001:db9::1": None,
            "::ffff:192.0.2.1": "Write to abuse@example.org.",
        }.items():
            self.assertEqual(denied.find(ip(text)), message, text)

    def test_smallest_network(self) -> None:
        """Where networks overlap the message of the smallest one counts."""
        denied = parse_deny_list(b"0.0.0.0/0 all\n192.0.2.0/24 some\n192.0.2.7 one\n")
        for text, message in {"192.0.2.7": "one", "192.0.2.8": "some", "10.0.0.1": "all"}.items():
            self.assertEqual(denied.find(ip(text)), message)

    def test_bad_lines(self) -> None:
        """A line of any other form is refused with its number and what is wrong, without its address."""
        for line, problem in {
            b"192.0.2": "neither an address nor a network",
            b"192.0.2.256": "neither an address nor a network",
            b"192.0.2.0/33": "neither an address nor a network",
            b"192.0.02.0": "neither an address nor a network",
            b"example.org": "neither an address nor a network",
            b"192.0.2.0/24,Go": "neither an address nor a network",
            b"\xef\xbb\xbf192.0.2.1": "neither an address nor a network",
            "١92.0.2.1".encode(): "neither an address nor a network",
            b"192.0.2.0/255.255.255.0": "no mask",
            b"fe80::1%eth0": "no zone",
            b"192.0.2.1/24": "bits beyond the /24",
            b"2001:db8::1/32": "bits beyond the /32",
            b"::ffff:192.0.2.0/120": "write it as IPv4",
            b"192.0.2.1 \xff": "is not UTF-8",
            b"192.0.2.1 a\x1b[2J": "a control character",
            b"192.0.2.1 " + b"a" * (MAX_MESSAGE_LETTERS + 1): "is too long",
        }.items():
            with self.assertRaises(DenyListError) as raised:
                parse_deny_list(b"# first\n" + line + b"\n")
            text = str(raised.exception)
            self.assertTrue(text.startswith("line 2: "), text)
            self.assertIn(problem, text)
            self.assertNotIn("192.0.2.1 ", text)

    def test_empty(self) -> None:
        """Nobody is on an empty list."""
        for denied in (EMPTY, parse_deny_list(b"")):
            self.assertEqual(denied.count, 0)
            self.assertIsNone(denied.find(ip("192.0.2.1")))
            self.assertIsNone(denied.find(ip("2001:db8::1")))

    @given(st.dictionaries(NETWORKS, st.from_regex("[a-z]{1,5}", fullmatch=True)), st.data())
    def test_as_ipaddress(
        self, messages: dict[ipaddress.IPv4Network, str], data: st.DataObject
    ) -> None:
        """An address is found if `ipaddress` finds it in a network, with the message of the smallest."""
        denied = parse_deny_list(
            "\n".join(f"{network} {message}" for network, message in messages.items()).encode()
        )
        inside = [
            network[data.draw(st.integers(0, network.num_addresses - 1))] for network in messages
        ]
        for each in [*inside, data.draw(st.ip_addresses())]:
            found = [network for network in messages if each in network]
            best = max(found, key=lambda network: network.prefixlen, default=None)
            self.assertEqual(denied.find(each), None if best is None else messages[best])

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are a list or raise the one error."""
        with contextlib.suppress(DenyListError):
            parse_deny_list(data)

    def test_lookups(self) -> None:
        """A lookup in a long list looks at no network one by one."""
        many = "\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(100_000))
        denied = parse_deny_list(f"{many}\n192.0.2.0/24\n".encode())
        self.assertEqual(denied.count, 100_001)
        self.assertEqual(len(denied._lookups[4]), 2)
        self.assertIsNotNone(denied.find(ip("10.1.134.159")))
        self.assertIsNone(denied.find(ip("10.1.134.160")))
