"""Tests of `wormhole_server.reach`."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.endpoints import Endpoint
from wormhole_server.reach import Listener, Public, Reach, reach


def listening(host: str, port: int, kind: str = "tcp") -> Listener:
    """A port that listens on `host`."""
    address: IAddress = (
        IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
    )
    return Listener(Endpoint(f"{kind}:0"), address)


def nowhere() -> str:
    """A machine that nobody has asked for."""
    raise AssertionError("there was no need to guess")


class ReachTests(SynchronousTestCase):
    def check(
        self,
        rendezvous: list[Listener],
        transit: list[Listener],
        expected: Reach,
        public: Public | None = None,
        guess: Callable[[], str] = nowhere,
    ) -> None:
        """These ports are reached so."""
        self.assertEqual(reach(rendezvous, transit, public or Public(), guess), expected)

    def test_guess(self) -> None:
        """Where a port listens on all addresses, the machine says which of them to use."""
        for host in ("0.0.0.0", "::"):
            self.check(
                [listening(host, 4000)],
                [listening(host, 4001)],
                Reach("ws://192.0.2.7:4000/v1", "tcp:192.0.2.7:4001"),
                guess=lambda: "192.0.2.7",
            )

    def test_one_address(self) -> None:
        """Where a port listens on one address, that is the one; IPv6 stands in brackets."""
        for host, shown in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
            self.check(
                [listening(host, 45678)],
                [listening(host, 45679)],
                Reach(f"ws://{shown}:45678/v1", f"tcp:{shown}:45679"),
            )

    def test_public_host(self) -> None:
        """The public host is the one that clients use, wherever the ports listen."""
        self.check(
            [listening("127.0.0.1", 4000)],
            [listening("::", 4001)],
            Reach("ws://relay.example.org:4000/v1", "tcp:relay.example.org:4001"),
            Public("relay.example.org"),
        )

    def test_public_addresses(self) -> None:
        """What the operator has written out is taken as it is, and only that."""
        url, transit = "wss://w.example.org/v1", "tcp:r.example.org:4444"
        ports = [listening("127.0.0.1", 4000)], [listening("127.0.0.1", 4001)]
        self.check(*ports, Reach(url, transit), Public("other.example.org", url, transit))
        self.check(*ports, Reach(url, "tcp:127.0.0.1:4001"), Public(url=url))
        self.check(*ports, Reach("ws://127.0.0.1:4000/v1", transit), Public(transit=transit))

    def test_tls(self) -> None:
        """TLS makes a URL with wss; the client has no such thing for a relay."""
        self.check(
            [listening("192.0.2.7", 443, "ssl")],
            [listening("192.0.2.7", 444, "ssl")],
            Reach("wss://192.0.2.7:443/v1", None),
        )

    def test_first(self) -> None:
        """Of several ports, the first on the internet is used; a Unix socket is not."""
        unix = Listener(Endpoint("unix:/run/x"), UNIXAddress(b"/run/x"))
        self.check(
            [unix, listening("192.0.2.7", 1), listening("192.0.2.7", 2)],
            [unix],
            Reach("ws://192.0.2.7:1/v1", None),
        )

    def test_nothing(self) -> None:
        """Where nothing listens on the internet, there is nothing to reach."""
        self.check([], [], Reach(None, None), Public("relay.example.org"))
