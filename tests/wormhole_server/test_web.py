"""Tests of `wormhole_server.web`."""

from __future__ import annotations

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from tests.wormhole_server.browser import Connection, fetch, split
from wormhole_server.http import Page, text
from wormhole_server.readiness import Readiness
from wormhole_server.web import web_site

UPGRADE = (
    "Upgrade: WebSocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
)


class Echo(WebSocketServerProtocol):
    """Sends back what it gets."""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N803 - the name is Autobahn's
        """One message."""
        self.sendMessage(payload, isBinary)


class Sign(Page):
    """The page at /."""

    def getChild(self, path: bytes, request: Request) -> Resource:  # type: ignore[override]
        """The root itself has an empty name."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        """Something."""
        return text(request, 200, "a sign")


class WebTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A site whose check the test answers."""
        self.clock = Clock()
        self.checks: list[Deferred[None]] = []
        self.readiness = Readiness()
        self.rendezvous = WebSocketServerFactory(reactor=self.clock)
        self.rendezvous.protocol = Echo
        self.relay = WebSocketServerFactory(reactor=self.clock)
        self.site = web_site(
            self.clock,
            rendezvous=self.rendezvous,
            relay=self.relay,
            check=self.check,
            readiness=self.readiness,
            root=Sign(),
            request_seconds=10.0,
        )

    def check(self) -> Deferred[None]:
        """One more question to the database."""
        self.checks.append(Deferred())
        return self.checks[-1]

    def test_root(self) -> None:
        """The root is whatever the site was given."""
        self.assertEqual(fetch(self.site, "/")[::2], (200, "a sign\n"))

    def test_unknown(self) -> None:
        """There is nothing else."""
        for path in ("/v2", "/v1/", "/metrics", "/healthz/x"):
            self.assertEqual(fetch(self.site, path)[0], 404)

    def test_healthz(self) -> None:
        """Health asks nobody."""
        self.assertEqual(fetch(self.site, "/healthz")[0], 200)
        self.assertEqual(self.checks, [])

    def test_plain_get(self) -> None:
        """Who comes to a WebSocket without WebSocket is told what it is."""
        for path in ("/v1", "/transit"):
            for headers in ("", "Upgrade: h2c\r\n"):
                status, head, body = fetch(self.site, path, headers=headers)
                self.assertEqual(status, 426)
                self.assertIn("426 upgrade required", head)
                self.assertIn("upgrade: websocket", head)
                self.assertIn("speaks WebSocket", body)

    def test_upgrade(self) -> None:
        """A WebSocket is handed over, with all that the client sends, and the HTTP deadline is gone."""
        connection = Connection(self.site)
        connection.get("/v1", headers=UPGRADE)
        self.assertIn(b"101 Switching Protocols", connection.received())
        self.assertIsNone(connection.transport.producer)
        self.clock.advance(100)
        connection.send(b"\x81\x85\0\0\0\0hello")
        self.assertEqual(connection.received(), b"\x81\x05hello")
        self.assertFalse(connection.transport.disconnecting)

    def test_bad_upgrade(self) -> None:
        """An upgrade that is not one is refused."""
        connection = Connection(self.site)
        connection.get("/v1", headers="Upgrade: websocket\r\n")
        self.assertEqual(split(connection.received())[0], 400)

    def test_no_relay(self) -> None:
        """Without a relay there is no /transit."""
        site = web_site(
            self.clock,
            rendezvous=self.rendezvous,
            relay=None,
            check=self.check,
            readiness=self.readiness,
            root=Sign(),
            request_seconds=10.0,
        )
        self.assertEqual(fetch(site, "/transit")[0], 404)

    def test_ready(self) -> None:
        """Ready is who can reach the database."""
        connection = Connection(self.site)
        connection.get("/readyz")
        self.assertEqual(connection.received(), b"")
        self.checks[0].callback(None)
        self.assertEqual(split(connection.received())[0], 200)

    def test_stopping(self) -> None:
        """A server that stops is not ready, whatever its database says; it is alive all the same."""
        self.readiness.stop()
        status, _, body = fetch(self.site, "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("is stopping", body)
        self.assertEqual(self.checks, [])
        self.assertEqual(fetch(self.site, "/healthz")[0], 200)

    def test_not_ready(self) -> None:
        """What is wrong with the database is nobody's business outside."""
        connection = Connection(self.site)
        connection.get("/readyz")
        self.checks[0].errback(OSError("no route to db.example.org"))
        status, _, body = split(connection.received())
        self.assertEqual(status, 503)
        self.assertIn("not ready", body)
        self.assertNotIn("example", body)

    def test_not_ready_in_time(self) -> None:
        """A database that does not answer within two seconds is as good as none."""
        connection = Connection(self.site)
        connection.get("/readyz")
        self.clock.advance(1.9)
        self.assertEqual(connection.received(), b"")
        self.clock.advance(0.1)
        self.assertEqual(split(connection.received())[0], 503)

    def test_ready_shared(self) -> None:
        """Probes that come at the same time share a check; a later one makes its own."""
        connections = [Connection(self.site) for _ in range(3)]
        for connection in connections:
            connection.get("/readyz")
        self.assertEqual(len(self.checks), 1)
        self.checks[0].callback(None)
        for connection in connections:
            self.assertEqual(split(connection.received())[0], 200)
        connections[0].get("/readyz")
        self.checks[1].errback(OSError())
        self.assertEqual(split(connections[0].received())[0], 503)

    def test_prober_gone(self) -> None:
        """A prober that does not wait for the answer does no harm."""
        connection = Connection(self.site)
        connection.get("/readyz")
        connection.leave()
        self.checks[0].callback(None)
        self.assertEqual(connection.received(), b"")
