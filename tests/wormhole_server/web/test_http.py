"""Tests of `wormhole_server.http`."""

from __future__ import annotations

import re
from typing import IO, cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch, split
from wormhole_server.web.http import Later, PrivateRequest, PrivateSite, TextPage, text


class Greeting(TextPage):
    """A page that answers at once, also for its children's parent."""

    def render_GET(self, request: Request) -> bytes:
        """With a sentence, and what was left of the body."""
        return text(request, 200, f"Hello. {cast(IO[bytes], request.content).read()!r}")


class Slow(TextPage):
    """A page that answers when the test says so."""

    later: Later

    def render_GET(self, request: Request) -> int:
        """Not yet."""
        self.later = Later(request)
        return NOT_DONE_YET


class SiteCase(SynchronousTestCase):
    """A site to test."""

    def setUp(self) -> None:
        """A site with a page that answers at once and one that does not."""
        self.clock = Clock()
        self.slow = Slow()
        root = TextPage()
        root.putChild(b"hello", Greeting())
        root.putChild(b"slow", self.slow)
        self.site = PrivateSite("Test", make_scheduler(self.clock), root, 10.0)


class SiteTests(SiteCase):
    def test_page(self) -> None:
        """A page is plain text that nobody keeps."""
        status, head, body = fetch(self.site, "/hello")
        self.assertEqual((status, body), (200, "Hello. b''\n"))
        self.assertIn("content-type: text/plain; charset=utf-8", head)
        self.assertIn("cache-control: no-store", head)

    def test_head(self) -> None:
        """HEAD is GET without the body."""
        status, head, body = fetch(self.site, "/hello", "HEAD")
        self.assertEqual((status, body), (200, ""))
        self.assertIn("content-length: 11", head)

    def test_not_found(self) -> None:
        """What is not there is not found, whatever the method."""
        for path in ("/nothing", "/hello/below", "/hello/", "/slow/x/y"):
            for method in ("GET", "POST"):
                self.assertEqual(fetch(self.site, path, method)[0], 404)

    def test_methods(self) -> None:
        """Other methods are refused."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, head, _ = fetch(self.site, "/hello", method)
            self.assertEqual(status, 405)
            self.assertIn("allow: ", head)

    def test_no_server_header(self) -> None:
        """No answer says which version of what gave it."""
        for path, method in (("/hello", "GET"), ("/nothing", "GET"), ("/hello", "POST")):
            _, head, body = fetch(self.site, path, method)
            self.assertNotIn("server:", head)
            self.assertNotIn("Twisted", body)

    def test_no_log(self) -> None:
        """Requests, and clients that are too slow, leave no trace in the log."""
        events: list[LogEvent] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.site.doStart()
        for method in ("GET", "HEAD", "POST", "BREW"):
            fetch(self.site, "/hello", method)
            fetch(self.site, "/nothing", method)
        Connection(self.site)
        self.clock.advance(10)
        self.clock.advance(15)
        self.site.doStop()
        self.assertEqual(events, [])

    def test_body_is_dropped(self) -> None:
        """A body is neither kept in memory nor on the disk."""
        connection = Connection(self.site)
        connection.get("/hello", headers="Content-Length: 1000000\r\n")
        for _ in range(10):
            connection.send(b"x" * 100_000)
        self.assertEqual(split(connection.received())[2], "Hello. b''\n")

    def test_body_in_chunks(self) -> None:
        """A body in chunks is refused, and none of them is read."""
        chunks: list[bytes] = []
        self.patch(PrivateRequest, "handleContentChunk", lambda _, data: chunks.append(data))
        connection = Connection(self.site)
        connection.send(
            b"GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        )
        connection.send(b"1\r\nx\r\n")
        status, head, body = split(connection.received())
        self.assertEqual((status, body, chunks), (411, "", []))
        self.assertIn("connection: close", head)

    def test_data_after_the_end(self) -> None:
        """What comes after the end, as TLS may hand it on, is not kept."""
        connection = Connection(self.site)
        connection.get("/hello", headers="Connection: close\r\n")
        self.assertTrue(connection.transport.disconnecting)
        for _ in range(10):
            connection.send(b"GET /hello HTTP/1.1\r\n" * 100)
        self.assertEqual(connection.channel._buffer, b"")

    def test_in_turn(self) -> None:
        """Of many requests in one piece, a turn of the reactor answers few; in the end all, in order."""
        connection = Connection(self.site)
        connection.send(
            b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n\r\n" * 50
        )
        first = re.findall(rb"HTTP/1.1 (\d+)", connection.received())
        self.assertLessEqual(len(first), 2)
        self.clock.advance(0)  # all the turns that there are
        rest = re.findall(rb"HTTP/1.1 (\d+)", connection.received())
        self.assertEqual(first + rest, [b"200", b"404"] * 50)

    def test_not_reading(self) -> None:
        """While a client does not read what it was sent, it is sent no more; in the end it is cut off."""
        connection = Connection(self.site)
        connection.channel.pauseProducing()
        connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        self.clock.advance(0)
        self.assertEqual(connection.received().count(b"Hello"), 1)
        connection.channel.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(connection.received().count(b"Hello"), 4)
        connection.channel.pauseProducing()
        connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        self.clock.advance(0)
        self.assertFalse(connection.transport.disconnecting)
        self.clock.advance(10.0)
        self.assertTrue(connection.transport.disconnecting)
        connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone_before_its_turn(self) -> None:
        """A request that waits for its turn is dropped with its connection."""
        connection = Connection(self.site)
        connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        connection.received()
        connection.leave()
        self.clock.advance(0)
        self.assertEqual(connection.received(), b"")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_form(self) -> None:
        """A form is a body like any other."""
        connection = Connection(self.site)
        form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"
        connection.get("/hello", "POST", form)
        connection.send(b"a=1")
        self.assertEqual(split(connection.received())[0], 405)

    def test_no_http2(self) -> None:
        """Over TLS, only HTTP/1.1 is offered."""
        self.assertEqual(self.site.acceptableProtocols(), [b"http/1.1"])


class DeadlineTests(SiteCase):
    def test_silent(self) -> None:
        """A client that sends nothing is left alone for so long, and no longer."""
        connection = Connection(self.site)
        self.clock.advance(9.9)
        self.assertFalse(connection.transport.disconnecting)
        self.clock.advance(0.1)
        self.assertTrue(connection.transport.disconnecting)

    def test_dribble(self) -> None:
        """A client that sends a byte now and then gets no more time for it."""
        connection = Connection(self.site)
        for letter in b"GET /hell":
            connection.send(bytes([letter]))
            self.clock.advance(1)
        self.assertFalse(connection.transport.disconnecting)
        connection.send(b"o")
        self.clock.advance(1)
        self.assertTrue(connection.transport.disconnecting)

    def test_slow_body(self) -> None:
        """The body is part of the request."""
        connection = Connection(self.site)
        connection.get("/hello", headers="Content-Length: 100\r\n")
        self.clock.advance(5)
        connection.send(b"x")
        self.clock.advance(5)
        self.assertTrue(connection.transport.disconnecting)

    def test_slow_answer(self) -> None:
        """The time that an answer takes is not the client's."""
        connection = Connection(self.site)
        connection.get("/slow")
        self.clock.advance(1000)
        self.assertFalse(connection.transport.disconnecting)

    def test_next_request(self) -> None:
        """After an answer, the client has as long again for its next request."""
        connection = Connection(self.site)
        self.clock.advance(9)
        connection.get("/hello")
        self.clock.advance(9)
        self.assertFalse(connection.transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(connection.transport.disconnecting)

    def test_does_not_read(self) -> None:
        """A client that does not read what would end its connection is cut off."""
        connection = Connection(self.site)
        self.clock.advance(10)
        self.assertFalse(connection.transport.disconnected)
        self.clock.advance(15)
        self.assertTrue(connection.transport.disconnected)

    def test_gone(self) -> None:
        """A client that has gone leaves no timer behind."""
        connection = Connection(self.site)
        self.clock.advance(10)
        connection.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LaterTests(SiteCase):
    def test_answer(self) -> None:
        """What takes its time is answered with its length, on a connection that lives on."""
        connection = Connection(self.site)
        connection.get("/slow")
        self.assertEqual(connection.received(), b"")
        self.slow.later.text(503, "No.")
        status, head, body = split(connection.received())
        self.assertEqual((status, body), (503, "No.\n"))
        self.assertIn("content-length: 4", head)
        connection.get("/hello")
        self.assertEqual(split(connection.received())[0], 200)

    def test_gone(self) -> None:
        """A client that has gone meanwhile is not answered."""
        connection = Connection(self.site)
        connection.get("/slow")
        connection.leave()
        self.slow.later.text(503, "No.")
        self.assertEqual(connection.received(), b"")

    def test_failed(self) -> None:
        """What goes wrong here is for the log; the client hears that it did."""
        connection = Connection(self.site)
        connection.get("/slow")
        try:
            raise ZeroDivisionError("a secret")
        except ZeroDivisionError:
            self.slow.later.failed(Failure())
        status, _, body = split(connection.received())
        self.assertEqual(status, 500)
        self.assertNotIn("secret", body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def fail_with(self, *methods: str) -> Connection:
        """A client whose request raises in methods when it is answered, and is then told of a failure."""

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        connection = Connection(self.site)
        connection.get("/slow")
        for name in methods:
            self.patch(self.slow.later._request, name, broken)
        try:
            self.slow.later.body(b"begun")
        except ZeroDivisionError:
            self.slow.later.failed(Failure())
        return connection

    def test_failed_after_the_beginning(self) -> None:
        """An answer that fails behind its beginning closes the connection: nothing is added to it."""
        connection = self.fail_with("finish")
        self.assertEqual(split(connection.received())[2], "begun")
        self.assertTrue(connection.transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_failed_again(self) -> None:
        """Where the client cannot be told either, it does not wait: its connection is closed."""
        connection = self.fail_with("write")
        self.assertTrue(connection.transport.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.slow.later.text(200, "late")
