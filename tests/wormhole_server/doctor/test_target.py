"""Tests of `wormhole_server.doctor.target`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import make_target
from wormhole_server.doctor.target import (
    find_relay_url,
    find_transit_helper,
    find_transit_websocket,
)


class AddressTests(SynchronousTestCase):
    def addresses(self, *flags: str) -> tuple[str | None, str | None, str | None]:
        """The rendezvous URL, and the relay's address over TCP and over WebSocket."""
        settings = make_target(*flags).settings
        url = find_relay_url(settings)
        return url, find_transit_helper(settings), find_transit_websocket(url)

    def test_local(self) -> None:
        """Without a public host the addresses are those of this machine."""
        self.assertEqual(
            self.addresses(),
            ("ws://127.0.0.1:4000/v1", "tcp:127.0.0.1:4001", "ws://127.0.0.1:4000/transit"),
        )

    def test_public(self) -> None:
        """The addresses have the public host, or are the public addresses that the operator gives."""
        self.assertEqual(
            self.addresses("--public-host=2001:db8::1"),
            (
                "ws://[2001:db8::1]:4000/v1",
                "tcp:[2001:db8::1]:4001",
                "ws://[2001:db8::1]:4000/transit",
            ),
        )
        self.assertEqual(
            self.addresses(
                "--public-url=wss://wormhole.example.org/v1",
                "--public-transit=tcp:example.org:4001",
            ),
            (
                "wss://wormhole.example.org/v1",
                "tcp:example.org:4001",
                "wss://wormhole.example.org/transit",
            ),
        )

    def test_prefix(self) -> None:
        """The path prefix stands before both paths."""
        self.assertEqual(
            self.addresses("--path-prefix=/s3"),
            ("ws://127.0.0.1:4000/s3/v1", "tcp:127.0.0.1:4001", "ws://127.0.0.1:4000/s3/transit"),
        )

    def test_tls(self) -> None:
        """A TLS endpoint gives a wss:// URL, and is no relay for clients over TCP."""
        tls = "ssl:443:privateKey=/k:certKey=/c"
        self.assertEqual(
            self.addresses(f"--rendezvous={tls}", f"--transit={tls}"),
            ("wss://127.0.0.1:443/v1", None, "wss://127.0.0.1:443/transit"),
        )

    def test_none(self) -> None:
        """An endpoint that is off, or that does not tell its address, gives none."""
        self.assertEqual(self.addresses("--rendezvous=none")[0::2], (None, None))
        self.assertEqual(
            self.addresses("--rendezvous=unix:/run/x", "--transit=none"), (None, None, None)
        )
        self.assertIsNone(find_transit_websocket("wss://example.org/elsewhere"))
