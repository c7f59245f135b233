"""Tests of `wormhole_server.health`, without a server: where to ask."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.endpoints import parse_endpoint
from wormhole_server.health import Place, UnhealthyError, check, place


class PlaceTests(SynchronousTestCase):
    def test_tcp(self) -> None:
        """A TCP port is asked on the interface that it listens on; on any, if it listens on all."""
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
            self.assertEqual(place(parse_endpoint(endpoint)), Place(hosts, 4000), endpoint)

    def test_tls(self) -> None:
        """A TLS port is asked over TLS, wherever its other parts stand."""
        for endpoint in (
            "ssl:443:privateKey=k.pem:certKey=c.pem:interface=192.0.2.1",
            "ssl:443:k.pem:c.pem::192.0.2.1",
            "ssl:privateKey=k.pem:interface=192.0.2.1:port=443",
        ):
            # Checking the endpoint would open the files.
            self.assertEqual(place(endpoint), Place(("192.0.2.1",), 443, tls=True))  # type: ignore[arg-type]

    def test_unix(self) -> None:
        """A Unix socket is asked at its path."""
        for endpoint in (r"unix:/run/a\:b.sock:mode=660", r"unix:mode=660:address=/run/a\:b.sock"):
            self.assertEqual(place(parse_endpoint(endpoint)), Place(path="/run/a:b.sock"))

    def test_unknown(self) -> None:
        """A port that the system chooses and a socket that somebody else opened cannot be known."""
        for endpoint in ("tcp:0", "systemd:domain=INET:index=0"):
            self.assertIsNone(place(parse_endpoint(endpoint)))

    def test_told(self) -> None:
        """Where nothing can be asked, the line says how to say where the server is."""
        systemd = parse_endpoint("systemd:domain=INET:index=0")
        for rendezvous, transit, name in (
            ([systemd], [], "rendezvous"),
            ([], [systemd], "transit"),
        ):
            with self.assertRaises(UnhealthyError) as caught:
                check(rendezvous, transit, "/readyz", 1.0)
            self.assertEqual(
                str(caught.exception),
                f"{name}: nobody can tell from systemd:domain=INET:index=0 where the server listens; "
                f"say it, as in: wormhole-server health --{name}=tcp:4000",
            )

    def test_text(self) -> None:
        """A place is written as an operator would."""
        self.assertEqual(str(Place(("127.0.0.1", "::1"), 4000)), "127.0.0.1:4000")
        self.assertEqual(str(Place(("::1",), 4000)), "[::1]:4000")
        self.assertEqual(str(Place(path="/run/s")), "unix:/run/s")
