"""Tests of `wormhole_server.reach`."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.endpoints import Endpoint
from wormhole_server.reach import Listener, Public, Reach, reach, reach_of_visitor


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


OTHERWISE = Reach("ws://otherwise:4000/v1", "tcp:otherwise:4001")


class VisitorTests(SynchronousTestCase):
    def visit(
        self,
        host: str | None,
        transit: list[Listener] | None = None,
        public: Public | None = None,
        *,
        secure: bool = False,
    ) -> Reach:
        """Somebody has come who calls the server so."""
        return reach_of_visitor(
            host,
            secure=secure,
            transit=[listening("::", 4001)] if transit is None else transit,
            public=public or Public(),
            otherwise=lambda: OTHERWISE,
        )

    def test_name(self) -> None:
        """The name and the port by which they have come lead to /v1, the name alone to the relay."""
        for host, name in (
            ("w.example.org", "w.example.org"),
            ("192.0.2.7:4000", "192.0.2.7"),
            ("[2001:db8::1]:4000", "[2001:db8::1]"),
        ):
            self.assertEqual(self.visit(host), Reach(f"ws://{host}/v1", f"tcp:{name}:4001"))

    def test_secure(self) -> None:
        """Who came through TLS comes back through it."""
        reached = self.visit("w.example.org", secure=True)
        self.assertEqual(reached.relay_url, "wss://w.example.org/v1")

    def test_relay_elsewhere(self) -> None:
        """A relay that listens on one address is there, and one behind TLS or a socket file nowhere."""
        unix = Listener(Endpoint("unix:/run/x"), UNIXAddress(b"/run/x"))
        reached = self.visit("w", [unix, listening("::", 1, "ssl"), listening("192.0.2.9", 2)])
        self.assertEqual(reached.transit_helper, "tcp:192.0.2.9:2")
        self.assertIsNone(self.visit("w", [unix]).transit_helper)

    def test_operator_goes_first(self) -> None:
        """What the operator has set is not overruled by a name in a request."""
        self.assertEqual(self.visit("evil.example", public=Public("w.example.org")), OTHERWISE)
        public = Public(url="wss://w/v1", transit="tcp:r:1")
        self.assertEqual(self.visit("evil.example", public=public), Reach("wss://w/v1", "tcp:r:1"))

    def test_no_name(self) -> None:
        """What is no name is not used."""
        for host in (None, "", "a b", "a;b", "a:b", "a:123456", "[::1", "a/", "x" * 400, "-a", "'"):
            self.assertEqual(self.visit(host), OTHERWISE)
