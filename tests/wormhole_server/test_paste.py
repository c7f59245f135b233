"""Tests of `wormhole_server.paste`."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase
from wormhole._hints import parse_hint_argv  # type: ignore[import-untyped]

from wormhole_server.endpoints import Endpoint
from wormhole_server.paste import Listener, local_host, paste_line


def listening(host: str, port: int, kind: str = "tcp") -> Listener:
    """A port that listens on `host`."""
    address: IAddress = (
        IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
    )
    return Listener(Endpoint(f"{kind}:0"), address)


def nowhere() -> str:
    """A machine that nobody has asked for."""
    raise AssertionError("there was no need to guess")


class PasteTests(SynchronousTestCase):
    def test_guess(self) -> None:
        """Where a port listens on all addresses, the machine says which of them to use."""
        for host in ("0.0.0.0", "::"):
            self.assertEqual(
                paste_line(
                    [listening(host, 4000)], [listening(host, 4001)], None, lambda: "192.0.2.7"
                ),
                "wormhole --relay-url=ws://192.0.2.7:4000/v1 "
                "--transit-helper=tcp:192.0.2.7:4001 send FILE",
            )

    def test_one_address(self) -> None:
        """Where a port listens on one address, that is the one."""
        self.assertEqual(
            paste_line(
                [listening("127.0.0.1", 45678)], [listening("127.0.0.1", 45679)], None, nowhere
            ),
            "wormhole --relay-url=ws://127.0.0.1:45678/v1 "
            "--transit-helper=tcp:127.0.0.1:45679 send FILE",
        )

    def test_public_host(self) -> None:
        """The public host is the one that clients use, wherever the ports listen."""
        self.assertEqual(
            paste_line(
                [listening("127.0.0.1", 4000)],
                [listening("::", 4001)],
                "relay.example.org",
                nowhere,
            ),
            "wormhole --relay-url=ws://relay.example.org:4000/v1 "
            "--transit-helper=tcp:relay.example.org:4001 send FILE",
        )

    def test_ipv6(self) -> None:
        """An IPv6 address stands in brackets, as the client reads it."""
        line = paste_line([listening("::1", 4000)], [listening("::1", 4001)], None, nowhere)
        assert line is not None
        self.assertIn("--relay-url=ws://[::1]:4000/v1 ", line)
        hint = parse_hint_argv(line.split("--transit-helper=")[1].split()[0])
        self.assertEqual((hint.hostname, hint.port), ("::1", 4001))

    def test_tls(self) -> None:
        """TLS makes a URL with wss; the client has no such thing for a relay."""
        self.assertEqual(
            paste_line(
                [listening("192.0.2.7", 443, "ssl")],
                [listening("192.0.2.7", 444, "ssl")],
                None,
                nowhere,
            ),
            "wormhole --relay-url=wss://192.0.2.7:443/v1 send FILE",
        )

    def test_first(self) -> None:
        """Of several ports, the first on the internet is used; a Unix socket is not."""
        unix = Listener(Endpoint("unix:/run/x"), UNIXAddress(b"/run/x"))
        self.assertEqual(
            paste_line(
                [unix, listening("192.0.2.7", 1), listening("192.0.2.7", 2)], [unix], None, nowhere
            ),
            "wormhole --relay-url=ws://192.0.2.7:1/v1 send FILE",
        )

    def test_nothing(self) -> None:
        """Where nothing listens on the internet, there is nothing to paste."""
        self.assertIsNone(paste_line([], [], "relay.example.org", nowhere))


class LocalHostTests(SynchronousTestCase):
    def test_reachable(self) -> None:
        """The guess is a name, or an address of this machine and not one that stands for all."""
        host = local_host()
        self.assertTrue(host)
        try:
            address = ip_address(host)
        except ValueError:
            return
        self.assertFalse(address.is_unspecified)
