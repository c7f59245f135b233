"""Tests of `wormhole_server.listening.proxies.forwarded_headers`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.ip_addresses import peer_address
from wormhole_server.config.trusted_proxies import parse_trusted_proxy
from wormhole_server.listening.proxies.forwarded_headers import client_address, parse_headers
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies

PROXY = IPv4Address("TCP", "10.0.0.1", 5000)
PROXIES = TrustedProxies((parse_trusted_proxy("10.0.0.0/8"), parse_trusted_proxy("unix")))


def client(*lines: str, peer: IAddress = PROXY, proxies: TrustedProxies = PROXIES) -> IAddress:
    """The client of a request with such header lines."""
    head = "\r\n".join(["GET /v1 HTTP/1.1", *lines, "", ""]).encode()
    return client_address(peer, parse_headers(head), proxies)


def four(host: str, port: int = 0) -> IAddress:
    return IPv4Address("TCP", host, port)


class ClientTests(SynchronousTestCase):
    def test_one_proxy(self) -> None:
        """The address that the proxy added counts, with its port if there is one."""
        self.assertEqual(client("X-Forwarded-For: 192.0.2.7"), four("192.0.2.7"))
        self.assertEqual(client("x-forwarded-for:192.0.2.7:99"), four("192.0.2.7", 99))
        self.assertEqual(
            client("X-Forwarded-For: [2001:db8::7]:99"), IPv6Address("TCP", "2001:db8::7", 99)
        )
        self.assertEqual(client("X-Forwarded-For: ::ffff:192.0.2.7"), four("192.0.2.7"))

    def test_what_the_client_wrote(self) -> None:
        """Everything left of the first untrusted address may be forged, and is not read."""
        forged = "X-Forwarded-For: 1.1.1.1, 10.0.0.9, 192.0.2.7"
        self.assertEqual(client(forged), four("192.0.2.7"))
        self.assertEqual(client(forged + ", 10.0.0.2, 10.0.0.3"), four("192.0.2.7"))
        self.assertEqual(
            client("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.7"), four("192.0.2.7")
        )

    def test_several_lines(self) -> None:
        """Several lines are one list, whatever other headers are between them."""
        self.assertEqual(
            client("X-Forwarded-For: 192.0.2.7", "Host: x", "X-Forwarded-For: 10.0.0.2, 10.0.0.3"),
            four("192.0.2.7"),
        )

    def test_all_trusted(self) -> None:
        """Where all addresses are trusted, the first one is the client."""
        self.assertEqual(client("X-Forwarded-For: 10.0.0.3, 10.0.0.2"), four("10.0.0.3"))

    def test_malformed(self) -> None:
        """An entry that is no address ends the search; the last address before it counts, or the peer."""
        self.assertEqual(client("X-Forwarded-For: 192.0.2.7, what, 10.0.0.2"), four("10.0.0.2"))
        self.assertEqual(client("X-Forwarded-For: 192.0.2.7, , 10.0.0.2"), four("10.0.0.2"))
        for line in ("X-Forwarded-For: 192.0.2.7, unknown", "X-Forwarded-For:", "X-Forwarded-For"):
            self.assertIs(client(line), PROXY, line)

    def test_not_trusted(self) -> None:
        """A peer that is not trusted is not believed."""
        other = four("192.0.2.1", 5)
        lines = ("X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7")
        self.assertIs(client(*lines, peer=other), other)
        self.assertIs(client(*lines, proxies=TrustedProxies(())), PROXY)

    def test_real_ip(self) -> None:
        """X-Real-IP counts where there is no X-Forwarded-For, not even an invalid one."""
        self.assertEqual(client("X-Real-IP: 192.0.2.7"), four("192.0.2.7"))
        self.assertEqual(
            client("X-Real-IP: 1.1.1.1", "X-Forwarded-For: 192.0.2.7"), four("192.0.2.7")
        )
        self.assertIs(client("X-Real-IP: 1.1.1.1", "X-Forwarded-For: unknown"), PROXY)
        self.assertIs(client("X-Real-IP: what"), PROXY)

    def test_forwarded(self) -> None:
        """Forwarded is not read."""
        self.assertIs(client("Forwarded: for=192.0.2.7"), PROXY)

    def test_unix(self) -> None:
        """A proxy on a Unix socket is trusted as well."""
        peer = UNIXAddress(None)
        self.assertEqual(client("X-Forwarded-For: 192.0.2.7", peer=peer), four("192.0.2.7"))
        self.assertIs(client(peer=peer), peer)

    def test_long(self) -> None:
        """Only the nearest entries of a very long header are read."""
        chain = ", ".join(["192.0.2.7"] + ["10.0.0.2"] * 10_000)
        self.assertEqual(client(f"X-Forwarded-For: {chain}"), four("10.0.0.2"))
        lines = ["X-Forwarded-For: 192.0.2.7"] + ["X-Forwarded-For: 10.0.0.2"] * 10_000
        self.assertEqual(client(*lines), four("10.0.0.2"))
        self.assertIs(client("X-Forwarded-For: " + "1" * 1_000_000), PROXY)

    @given(st.lists(st.binary(max_size=60), max_size=6))
    def test_any_bytes(self, lines: list[bytes]) -> None:
        """Any bytes in the headers yield an address."""
        found = client_address(PROXY, lambda _: lines, PROXIES)
        self.assertTrue(found is PROXY or peer_address(found) is not None)

    @given(
        st.lists(st.ip_addresses(v=4).map(str), max_size=5),
        st.ip_addresses(v=4).filter(lambda ip: ip.packed[0] != 10).map(str),
        st.lists(st.integers(0, 255).map("10.0.0.{}".format), max_size=5),
        st.lists(st.booleans(), min_size=11, max_size=11),
    )
    def test_first_untrusted(
        self, forged: list[str], real: str, proxies: list[str], cuts: list[bool]
    ) -> None:
        """However the list is split into lines, the first untrusted address from the right counts."""
        lines: list[list[str]] = [[]]
        for entry, cut in zip([*forged, real, *proxies], cuts, strict=False):
            if lines[-1] and cut:
                lines.append([])
            lines[-1].append(entry)
        self.assertEqual(client(*("X-Forwarded-For: " + ", ".join(x) for x in lines)), four(real))
