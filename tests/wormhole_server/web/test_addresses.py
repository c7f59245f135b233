"""Tests of `wormhole_server.web.addresses`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.endpoints import Endpoint
from wormhole_server.listening.ports import BoundEndpoint
from wormhole_server.web.addresses import PublicAddresses, ServerAddresses, local_host
from wormhole_server.web.path_prefix import PathPrefix

# The public host, URL and relay that an operator has set.
Settings = tuple[str | None, str | None, str | None]
NOTHING_SET: Settings = (None, None, None)
GUESSED = ServerAddresses("ws://guessed:4000/v1", "tcp:guessed:4001")


def listening(host: str, port: int, kind: str = "tcp") -> BoundEndpoint:
    """Return a port that listens on `host`."""
    address: IAddress = (
        IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
    )
    return BoundEndpoint(Endpoint(f"{kind}:0"), address)


def no_guess() -> str:
    raise AssertionError("there was no need to guess")


class OperatorTests(SynchronousTestCase):
    def check(
        self,
        rendezvous: list[BoundEndpoint],
        transit: list[BoundEndpoint],
        expected: ServerAddresses,
        public: Settings = NOTHING_SET,
        guess: Callable[[], str] = no_guess,
    ) -> None:
        """Check the addresses that the operator is shown."""
        bound = {"rendezvous": rendezvous, "transit": transit}
        self.assertEqual(
            PublicAddresses(*public, PathPrefix(None), bound, guess).for_operator(), expected
        )

    def test_prefix(self) -> None:
        """The prefix stands before /v1, and is left out of what is logged, in a public URL as well."""
        for url, shown, logged in (
            (None, "ws://192.0.2.7:4000/s3/v1", "ws://192.0.2.7:4000/PATH-PREFIX/v1"),
            ("wss://w.org/a/s3/v1", "wss://w.org/a/s3/v1", "wss://w.org/a/PATH-PREFIX/v1"),
        ):
            bound = {"rendezvous": [listening("192.0.2.7", 4000)]}
            addresses = PublicAddresses(None, url, None, PathPrefix("/s3"), bound, no_guess)
            self.assertEqual(addresses.for_operator().relay_url, shown)
            self.assertEqual(addresses.for_log().relay_url, logged)
        nowhere = PublicAddresses(None, None, None, PathPrefix("/s3"), {}, no_guess)
        self.assertIsNone(nowhere.for_log().relay_url)

    def test_guess(self) -> None:
        """A port on all addresses is reached at the one that the machine guesses."""
        for host in ("0.0.0.0", "::"):
            self.check(
                [listening(host, 4000)],
                [listening(host, 4001)],
                ServerAddresses("ws://192.0.2.7:4000/v1", "tcp:192.0.2.7:4001"),
                guess=lambda: "192.0.2.7",
            )

    def test_one_address(self) -> None:
        """A port on one address is reached there; IPv6 stands in brackets."""
        for host, shown in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
            self.check(
                [listening(host, 45678)],
                [listening(host, 45679)],
                ServerAddresses(f"ws://{shown}:45678/v1", f"tcp:{shown}:45679"),
            )

    def test_public_host(self) -> None:
        """Clients use the public host, wherever the ports listen."""
        self.check(
            [listening("127.0.0.1", 4000)],
            [listening("::", 4001)],
            ServerAddresses("ws://relay.example.org:4000/v1", "tcp:relay.example.org:4001"),
            ("relay.example.org", None, None),
        )

    def test_public_addresses(self) -> None:
        """A public URL or relay is used as it is; the other address is found as usual."""
        url, transit = "wss://w.example.org/v1", "tcp:r.example.org:4444"
        ports = [listening("127.0.0.1", 4000)], [listening("127.0.0.1", 4001)]
        self.check(*ports, ServerAddresses(url, transit), ("other.example.org", url, transit))
        self.check(*ports, ServerAddresses(url, "tcp:127.0.0.1:4001"), (None, url, None))
        self.check(
            *ports, ServerAddresses("ws://127.0.0.1:4000/v1", transit), (None, None, transit)
        )

    def test_tls(self) -> None:
        """An endpoint with TLS has a URL with wss; clients cannot use a relay with TLS."""
        self.check(
            [listening("192.0.2.7", 443, "ssl")],
            [listening("192.0.2.7", 444, "ssl")],
            ServerAddresses("wss://192.0.2.7:443/v1", None),
        )

    def test_first(self) -> None:
        """The first port on the internet is used; a Unix socket is not."""
        unix = BoundEndpoint(Endpoint("unix:/run/x"), UNIXAddress(b"/run/x"))
        self.check(
            [unix, listening("192.0.2.7", 1), listening("192.0.2.7", 2)],
            [unix],
            ServerAddresses("ws://192.0.2.7:1/v1", None),
        )

    def test_nothing(self) -> None:
        """Where nothing listens on the internet, there are no addresses."""
        self.check([], [], ServerAddresses(None, None), ("relay.example.org", None, None))


OTHERWISE = ServerAddresses("ws://otherwise:4000/v1", "tcp:otherwise:4001")


class BrowserTests(SynchronousTestCase):
    def visit(
        self,
        host: str | None,
        transit: list[BoundEndpoint] | None = None,
        public: Settings = NOTHING_SET,
        *,
        secure: bool = False,
        prefix: str | None = None,
    ) -> ServerAddresses:
        """Return the addresses for a browser that has used `host`."""
        bound = {
            "rendezvous": [listening("::", 4000)],
            "transit": [listening("::", 4001)] if transit is None else transit,
        }
        addresses = PublicAddresses(*public, PathPrefix(prefix), bound, lambda: "guessed")
        return addresses.for_browser(host, secure=secure)

    def test_name(self) -> None:
        """The name and port of the request lead to /v1, the name leads to the relay."""
        for host, name in (
            ("w.example.org", "w.example.org"),
            ("192.0.2.7:4000", "192.0.2.7"),
            ("[2001:db8::1]:4000", "[2001:db8::1]"),
        ):
            self.assertEqual(
                self.visit(host), ServerAddresses(f"ws://{host}/v1", f"tcp:{name}:4001")
            )

    def test_prefix(self) -> None:
        """The prefix stands before /v1."""
        self.assertEqual(self.visit("x", prefix="/s3").relay_url, "ws://x/s3/v1")

    def test_secure(self) -> None:
        """A browser that has used TLS gets a URL with wss."""
        reached = self.visit("w.example.org", secure=True)
        self.assertEqual(reached.relay_url, "wss://w.example.org/v1")

    def test_relay_elsewhere(self) -> None:
        """A relay on one address is reached there; one behind TLS or a Unix socket is not reached."""
        unix = BoundEndpoint(Endpoint("unix:/run/x"), UNIXAddress(b"/run/x"))
        reached = self.visit("w", [unix, listening("::", 1, "ssl"), listening("192.0.2.9", 2)])
        self.assertEqual(reached.transit_helper, "tcp:192.0.2.9:2")
        self.assertIsNone(self.visit("w", [unix]).transit_helper)

    def test_settings_first(self) -> None:
        """A request does not overrule the settings."""
        self.assertEqual(
            self.visit("evil.example", public=("w.example.org", None, None)),
            ServerAddresses("ws://w.example.org:4000/v1", "tcp:w.example.org:4001"),
        )
        public = (None, "wss://w/v1", "tcp:r:1")
        self.assertEqual(
            self.visit("evil.example", public=public), ServerAddresses("wss://w/v1", "tcp:r:1")
        )

    def test_no_name(self) -> None:
        """A `Host` that is not a host name is not used."""
        for host in (None, "", "a b", "a;b", "a:b", "a:123456", "[::1", "a/", "-a", "'"):
            self.assertEqual(self.visit(host), GUESSED)

    def test_long_name(self) -> None:
        """A `Host` can be as long as the longest name with a port."""
        longest = "x" * 253 + ":65535"
        self.assertEqual(self.visit(longest).relay_url, f"ws://{longest}/v1")
        self.assertEqual(self.visit("x" * 254 + ":65535"), GUESSED)


class LocalHostTests(SynchronousTestCase):
    def test_reachable(self) -> None:
        """The guess is a name, or one address of this machine."""
        host = local_host()
        if host != socket.gethostname():
            self.assertFalse(ip_address(host).is_unspecified)
