"""Tests of `wormhole_server.web.site`."""

from __future__ import annotations

import random

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from rendezvous.errors import LedgerUnavailable
from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch, split
from tests.wormhole_server.web.openings import SOUND, VARIANTS, Variant, pairs, request
from wormhole_server.web import http
from wormhole_server.web.http import TextPage, text
from wormhole_server.web.path_prefix import PathPrefix
from wormhole_server.web.site import web_site
from wormhole_websocket.autobahn import OpeningFactory
from wormhole_websocket.protocol import WebSocketProtocol

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


class Sign(TextPage):
    """The page at /."""

    def __init__(self, sign: str = "a sign") -> None:
        super().__init__()
        self.sign = sign

    def getChild(self, path: bytes, request: Request) -> Resource:  # type: ignore[override]
        """The root itself has an empty name."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        """Something."""
        return text(request, 200, self.sign)


class WebTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a site with a check that the test answers."""
        self.clock = Clock()
        self.checks: list[Deferred[None]] = []
        self.starting = self.stopping = False
        self.rendezvous = WebSocketServerFactory(reactor=self.clock)
        self.rendezvous.protocol = Echo
        # Autobahn's timer runs on the global reactor.
        self.rendezvous.setProtocolOptions(openHandshakeTimeout=0)
        self.relay = WebSocketServerFactory(reactor=self.clock)
        self.site = web_site(
            make_scheduler(self.clock),
            rendezvous=self.rendezvous,
            relay=self.relay,
            check=self.check,
            is_starting=lambda: self.starting,
            is_stopping=lambda: self.stopping,
            root=(root := Sign()),
            prefix=PathPrefix(None),
            prefixed_root=root,
            request_seconds=10.0,
        )

    def check(self) -> Deferred[None]:
        """Note a check."""
        self.checks.append(Deferred())
        return self.checks[-1]

    def test_root(self) -> None:
        """The root is the page that the site was given."""
        self.assertEqual(fetch(self.site, "/")[::2], (200, "a sign\n"))

    def test_unknown(self) -> None:
        """Every other path is a status 404."""
        for path in ("/v2", "/v1/", "/metrics", "/healthz/x"):
            self.assertEqual(fetch(self.site, path)[0], 404)

    def test_healthz(self) -> None:
        """/healthz makes no check."""
        self.assertEqual(fetch(self.site, "/healthz")[0], 200)
        self.assertEqual(self.checks, [])

    def test_plain_get(self) -> None:
        """A request without WebSocket is told what the path is."""
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

    def test_frames_in_the_same_segment(self) -> None:
        """Frames in one piece with a request, or its end, are read, whatever parses the request."""
        request = f"GET /v1 HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode()
        frames = b"\x81\x85\0\0\0\0hello" * 5000
        for number, pieces in enumerate(
            (
                (request + frames,),
                (request[:10], request[10:] + frames),
                (request[:-1], request[-1:] + frames),
                (request.replace(b"Host: x", b"Host: x\r\nA: b\r\n c") + frames,),
                # Behind another request, which is answered first; the next one waits for a turn.
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + request + frames,),
            )
        ):
            connection = Connection(self.site)
            for piece in pieces:
                connection.send(piece)
            self.clock.advance(0)
            answer = connection.received()
            self.assertIn(b"101 Switching Protocols", answer)
            self.assertEqual(answer.count(b"\x81\x05hello"), 5000, number)
            self.assertEqual(connection.transport.producerState, "producing")
            connection.send(frames[:11])
            self.assertEqual(connection.received(), b"\x81\x05hello")

    def test_bad_upgrade(self) -> None:
        """An incomplete upgrade is refused."""
        connection = Connection(self.site)
        connection.get("/v1", headers="Upgrade: websocket\r\n")
        self.assertEqual(split(connection.received())[0], 400)

    def test_no_relay(self) -> None:
        """Without a relay there is no /transit."""
        site = web_site(
            make_scheduler(self.clock),
            rendezvous=self.rendezvous,
            relay=None,
            check=self.check,
            is_starting=lambda: self.starting,
            is_stopping=lambda: self.stopping,
            root=(root := Sign()),
            prefix=PathPrefix(None),
            prefixed_root=root,
            request_seconds=10.0,
        )
        self.assertEqual(fetch(site, "/transit")[0], 404)

    def test_ready(self) -> None:
        """A server that can use its database is ready."""
        connection = Connection(self.site)
        connection.get("/readyz")
        self.assertEqual(connection.received(), b"")
        self.checks[0].callback(None)
        self.assertEqual(split(connection.received())[0], 200)

    def test_stopping(self) -> None:
        """A server that stops is not ready, whatever its database says; /healthz still has status 200."""
        self.stopping = True
        status, _, body = fetch(self.site, "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("is stopping", body)
        self.assertEqual(self.checks, [])
        self.assertEqual(fetch(self.site, "/healthz")[0], 200)

    def test_starting(self) -> None:
        """
        A server that waits for its database answers everything with 503, WebSockets too; only /healthz has
        status 200. The connection is closed, so that the next request is answered by the server's pages.
        """
        self.starting = True
        for path in ("/", "/readyz", "/v1", "/transit", "/x/y"):
            connection = Connection(self.site)
            connection.get(path, headers=UPGRADE)
            status, head, body = split(connection.received())
            self.assertEqual((path, status), (path, 503))
            self.assertIn("waits for its database", body)
            self.assertIn("retry-after: 5", head)
            self.assertTrue(connection.transport.disconnecting)
        self.assertEqual(fetch(self.site, "/healthz")[0], 200)
        self.assertEqual(self.checks, [])
        self.starting = False
        self.assertEqual(fetch(self.site, "/")[0], 200)

    def test_reason_is_logged(self) -> None:
        """The log says in words why the server is not ready, once."""
        for error, why in (
            (LedgerUnavailable("the disk is full"), "Not ready: the disk is full."),
            (None, "Not ready: the database has not answered in time."),
        ):
            with capturedLogs() as logged:
                for _ in range(2):
                    connection = Connection(self.site)
                    connection.get("/readyz")
                    if error is None:
                        self.clock.advance(2.0)
                    else:
                        self.checks[-1].errback(error)
            self.assertEqual([formatEvent(event) for event in logged], [why])
            connection.get("/readyz")
            self.checks[-1].callback(None)

    def test_not_ready(self) -> None:
        """The response does not tell what is wrong with the database."""
        connection = Connection(self.site)
        connection.get("/readyz")
        self.checks[0].errback(OSError("no route to db.example.org"))
        status, _, body = split(connection.received())
        self.assertEqual(status, 503)
        self.assertIn("not ready", body)
        self.assertNotIn("example", body)

    def test_not_ready_in_time(self) -> None:
        """A server whose database does not answer within two seconds is not ready."""
        connection = Connection(self.site)
        connection.get("/readyz")
        self.clock.advance(1.9)
        self.assertEqual(connection.received(), b"")
        self.clock.advance(0.1)
        self.assertEqual(split(connection.received())[0], 503)

    def test_answer_that_fails(self) -> None:
        """An exception while the answer is made is logged once, and the client is told of it."""
        texts = iter([ZeroDivisionError()])

        def fail_once(request: Request, code: int, sentence: str) -> bytes:
            for error in texts:
                raise error
            return text(request, code, sentence)

        self.patch(http, "text", fail_once)
        connection = Connection(self.site)
        connection.get("/readyz")
        self.checks[0].callback(None)
        self.assertEqual(split(connection.received())[0], 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_ready_shared(self) -> None:
        """Requests at the same time share a check; a later one makes its own."""
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
        """A client that leaves before the response does no harm."""
        connection = Connection(self.site)
        connection.get("/readyz")
        connection.leave()
        self.checks[0].callback(None)
        self.assertEqual(connection.received(), b"")


class WebSockets(Factory):
    """Makes WebSockets that open, and ignore what arrives then."""

    noisy = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.openings = OpeningFactory(clock, {"webStatus": False, "allowNullOrigin": True})

    def buildProtocol(self, addr: object) -> WebSocketProtocol:
        """Make one."""
        return WebSocketProtocol(self.openings, self.clock, open_seconds=0, close_seconds=0)


class PrivateWebTests(SynchronousTestCase):
    """A site whose WebSockets are behind a prefix."""

    def setUp(self) -> None:
        """Make it."""
        clock = Clock()
        self.rendezvous, self.relay = WebSockets(clock), WebSockets(clock)
        self.site = web_site(
            make_scheduler(clock),
            rendezvous=self.rendezvous,
            relay=self.relay,
            check=lambda: succeed(None),
            is_starting=lambda: False,
            is_stopping=lambda: False,
            root=Sign(),
            prefix=PathPrefix("/se/cret"),
            prefixed_root=Sign("a private sign"),
            request_seconds=10.0,
        )

    def shake_hands(self, path: str, pieces: int) -> int:
        """Return the status of a handshake that is sent in so many pieces."""
        connection = Connection(self.site)
        data = f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n".encode()
        for start in range(0, len(data), step := -(-len(data) // pieces)):
            connection.send(data[start : start + step])
        return split(connection.received())[0]

    def test_websockets(self) -> None:
        """They are found behind the prefix, and nowhere else, whatever parses the request."""
        for pieces in (1, 3):
            for path in ("/v1", "/transit"):
                self.assertEqual(self.shake_hands(f"/se/cret{path}", pieces), 101)
                for wrong in (
                    "",
                    "/se",
                    "/se/cretx",
                    "/se/crets",
                    "/SE/CRET",
                    "/x/cret",
                ):
                    self.assertEqual(self.shake_hands(f"{wrong}{path}", pieces), 404, wrong + path)

    def test_pages(self) -> None:
        """The page behind the prefix is another one than that at /."""
        for path, sign in {
            "/": "a sign\n",
            "/se/cret/": "a private sign\n",
            "/se/cret/?x": "a private sign\n",
        }.items():
            self.assertEqual(fetch(self.site, path)[::2], (200, sign))
        for path in (
            "/se",
            "/se/",
            "/se/crets",
            "/se/cret/healthz",
            "/se/cret/se/cret/",
            "/v1",
            "/%761",
        ):
            self.assertEqual(fetch(self.site, path)[0], 404, path)

    def test_missing_slash(self) -> None:
        """The prefix without a slash leads to the one with it."""
        status, head, _ = fetch(self.site, "/se/cret")
        self.assertEqual(status, 308)
        self.assertIn("location: /se/cret/\r\n", f"{head}\r\n")

    def test_health(self) -> None:
        """Health checks need no prefix."""
        for path in ("/healthz", "/readyz"):
            self.assertEqual(fetch(self.site, path)[0], 200)


class OpeningTests(SynchronousTestCase):
    """Requests for a WebSocket, compared with Autobahn alone and with RFC 6455, 9110 and 9112."""

    def setUp(self) -> None:
        """Make the site, and Autobahn alone."""
        self.clock = Clock()
        self.site = web_site(
            make_scheduler(self.clock),
            rendezvous=WebSockets(self.clock),
            relay=None,
            check=Deferred,
            is_starting=lambda: False,
            is_stopping=lambda: False,
            root=(root := TextPage()),
            prefix=PathPrefix(None),
            prefixed_root=root,
            request_seconds=10.0,
        )
        self.autobahn = WebSocketServerFactory(reactor=self.clock)
        self.autobahn.protocol = WebSocketServerProtocol
        self.autobahn.setProtocolOptions(
            openHandshakeTimeout=0, webStatus=False, allowNullOrigin=True
        )

    def status(self, site: object, *pieces: bytes) -> int:
        """The status of the answer to a request; it is 0 where there is none."""
        connection = Connection(site)
        for piece in pieces:
            connection.send(piece)
        self.clock.advance(0)  # the site's next turn
        answer = connection.received()
        connection.leave()
        return int(answer.split(b" ", 2)[1]) if answer else 0

    def test_each_part(self) -> None:
        """Each way to write a part has its answer, here and from Autobahn; each difference a reason."""
        for variant in VARIANTS:
            self.assertEqual(self.status(self.site, request(variant)), variant.status, variant)
            autobahn = self.status(self.autobahn, request(variant))
            self.assertEqual(autobahn, variant.autobahn_status, variant)
            self.assertTrue(variant.why or autobahn == variant.status, variant)

    def test_every_cut(self) -> None:
        """The pieces in which a request arrives make no difference."""
        for variant in [Variant("line", SOUND["line"], 101), *VARIANTS]:
            data = request(variant)
            answer = self.status(self.site, *(data[at : at + 1] for at in range(len(data))))
            self.assertEqual(answer, variant.status, variant)
            for at in range(1, len(data), 1 + len(data) // 30):
                answer = self.status(self.site, data[:at], data[at:])
                self.assertEqual(answer, variant.status, (variant, at))

    def test_pairs(self) -> None:
        """Two parts that are written otherwise open a WebSocket if each alone does, however they are cut."""
        cuts = random.Random(11)
        count = 0
        for first, second in pairs():
            data = request(first, second)
            at = cuts.randrange(1, len(data))
            whole = self.status(self.site, data)
            self.assertNotEqual(whole, 0, (first, second))
            self.assertEqual(
                whole, self.status(self.site, data[:at], data[at:]), (first, second, at)
            )
            self.assertEqual(whole == 101, {first.status, second.status} == {101}, (first, second))
            count += 1
        self.assertGreater(count, 3000)

    def test_pages(self) -> None:
        """What is wrong with a request for a WebSocket is as wrong with a request for a page."""
        parts = {"line", "host", "others", "end"}
        for variant in VARIANTS:
            if variant.part in parts:
                data = (
                    request(variant).replace(b"/v1", b"/healthz").replace(b"/%761", b"/%68ealthz")
                )
                status = {101: 200, 426: 200}.get(variant.status, variant.status)
                self.assertEqual(self.status(self.site, data), status, variant)
                self.assertEqual(self.status(self.site, data[:20], data[20:]), status, variant)
