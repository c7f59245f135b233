"""Tests of `wormhole_server.doctor.health`, without a server."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.endpoints import parse_endpoint
from wormhole_server.doctor.health import (
    ServerAddress,
    UnhealthyError,
    check_health,
    server_address,
)


class ServerAddressTests(SynchronousTestCase):
    def test_tcp(self) -> None:
        """A TCP port is reached on the interface that it listens on, or on loopback if that is all."""
        anywhere = ("127.0.0.1", "::1")
        for endpoint, hosts in (
            ("tcp:4000", ("127.0.0.1",)),
            ("tcp:port=4000", ("127.0.0.1",)),
            ("tcp:4000:interface=0.0.0.0", ("127.0.0.1",)),
            ("tcp:4000:interface=192.0.2.1", ("192.0.2.1",)),
            ("tcp:4000:192.0.2.1", ("192.0.2.1",)),
            (r"tcp:4000:interface=\:\:", anywhere),
            (r"tcp:4000:interface=2001\:db8\:\:1", ("2001:db8::1",)),
        ):
            self.assertEqual(
                server_address(parse_endpoint(endpoint)), ServerAddress(hosts, 4000), endpoint
            )

    def test_tls(self) -> None:
        """A TLS port is reached over TLS, in whichever order its arguments are."""
        for endpoint in (
            "ssl:443:privateKey=k.pem:certKey=c.pem:interface=192.0.2.1",
            "ssl:443:k.pem:c.pem::192.0.2.1",
            "ssl:privateKey=k.pem:interface=192.0.2.1:port=443",
        ):
            # `parse_endpoint` refuses the second one, which Twisted accepts.
            self.assertEqual(server_address(endpoint), ServerAddress(("192.0.2.1",), 443, tls=True))  # type: ignore[arg-type]

    def test_unix(self) -> None:
        """A Unix socket is reached at its path."""
        for endpoint in (r"unix:/run/a\:b.sock:mode=660", r"unix:mode=660:address=/run/a\:b.sock"):
            self.assertEqual(
                server_address(parse_endpoint(endpoint)), ServerAddress(path="/run/a:b.sock")
            )

    def test_unknown(self) -> None:
        """The address of a port that the system chooses, or of a socket of systemd, is unknown."""
        for endpoint in ("tcp:0", "systemd:domain=INET:index=0"):
            self.assertIsNone(server_address(parse_endpoint(endpoint)))

    def test_told(self) -> None:
        """Without an address the message says how to give one."""
        systemd = parse_endpoint("systemd:domain=INET:index=0")
        for rendezvous, transit, name in (
            ([systemd], [], "rendezvous"),
            ([], [systemd], "transit"),
        ):
            with self.assertRaises(UnhealthyError) as caught:
                check_health(rendezvous, transit, "/readyz", 1.0)
            self.assertEqual(
                str(caught.exception),
                f"{name}: systemd:domain=INET:index=0 does not say where the server listens; "
                f"give the address, as in wormhole-server health --{name}=tcp:4000",
            )

    def test_text(self) -> None:
        """An address is written as in a URL."""
        self.assertEqual(str(ServerAddress(("127.0.0.1", "::1"), 4000)), "127.0.0.1:4000")
        self.assertEqual(str(ServerAddress(("::1",), 4000)), "[::1]:4000")
        self.assertEqual(str(ServerAddress(path="/run/s")), "unix:/run/s")
