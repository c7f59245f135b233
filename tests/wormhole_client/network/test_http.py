"""Tests of the HTTP request."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import FakeNetwork
from wormhole_client.network.http import (
    LARGEST_HEAD,
    LARGEST_RESPONSE,
    HttpAnswer,
    HttpError,
    HttpResponse,
    http_fetch,
    http_get,
)

ANSWER = (
    b"HTTP/1.1 302 Found\r\nDate: today\r\nLocation: /x\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\nbody"
)


class GetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()

    def get(self, url: str, headers: dict[str, str] | None = None) -> Deferred[HttpAnswer]:
        self.network.dialed.clear()
        return Deferred.fromCoroutine(http_get(self.network, url, headers))

    def test_request(self) -> None:
        """The request goes to the host, port and path of the URL, with the caller's headers."""
        self.get("ws://host:4000/v1?a=b", {"X-Real-IP": "192.0.2.77"})
        self.assertEqual(self.network.addresses(), [("host", 4000)])
        request = self.network.dialed[0].succeed().value()
        self.assertEqual(
            request,
            b"GET /v1?a=b HTTP/1.1\r\nHost: host:4000\r\nConnection: close\r\n"
            b"X-Real-IP: 192.0.2.77\r\n\r\n",
        )

    def test_no_path(self) -> None:
        """A URL without a path asks for the root; a password in it is not sent."""
        self.get("ws://user:password@host")
        request = self.network.dialed[0].succeed().value()
        self.assertTrue(request.startswith(b"GET / HTTP/1.1\r\nHost: host\r\n"), request)

    @given(st.integers(1, len(ANSWER) - 1))
    def test_answer(self, cut: int) -> None:
        """The head is read however it arrives; no redirect is followed, no body is awaited."""
        result = self.get("ws://host/v1")
        transport = self.network.dialed[0].succeed()
        for piece in (ANSWER[:cut], ANSWER[cut:]):
            self.network.dialed[0].protocol.dataReceived(piece)
        answer = self.successResultOf(result)
        self.assertEqual(answer.status, 302)
        self.assertEqual((answer.headers["date"], answer.headers["x-twice"]), ("today", "1, 2"))
        self.assertEqual(len(self.network.dialed), 1)
        self.assertTrue(transport.aborted)

    def test_not_http(self) -> None:
        """An answer in another protocol, or without an end, is refused."""
        for answer in (b"hello\r\n\r\n", b"HTTP/1.1 x\r\n\r\n", b"x" * (LARGEST_HEAD + 1)):
            with self.subTest(answer=answer[:20]):
                result = self.get("ws://host/v1")
                transport = self.network.dialed[0].succeed()
                self.network.dialed[0].protocol.dataReceived(answer)
                self.failureResultOf(result, HttpError)
                self.assertTrue(transport.aborted)

    def test_closed(self) -> None:
        """A connection that ends without an answer, and one that the network ends."""
        for reason, expected in ((ConnectionDone(), HttpError), (ConnectionLost(), ConnectionLost)):
            with self.subTest(reason=reason):
                result = self.get("ws://host/v1")
                self.network.dialed[0].succeed()
                self.network.dialed[0].protocol.connectionLost(Failure(reason))
                self.failureResultOf(result, expected)

    def test_refused(self) -> None:
        """A failure of the TCP connection is passed on as it is."""
        result = self.get("ws://host/v1")
        self.network.dialed[0].result.errback(Refused())
        self.failureResultOf(result, Refused)

    def test_cancelled(self) -> None:
        """Cancelling drops the connection."""
        result = self.get("ws://host/v1")
        transport = self.network.dialed[0].succeed()
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertTrue(transport.aborted)

    def test_not_a_url(self) -> None:
        """Another URL is refused before anything is connected."""
        self.failureResultOf(self.get("http://host/v1"), ValueError)
        self.assertEqual(self.network.dialed, [])


HEAD = b"HTTP/1.1 200 OK\r\nX-Twice: 1\r\nX-Twice: 2\r\n"


class FetchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = FakeNetwork()

    def fetch(self, *pieces: bytes, reason: Exception | None = None) -> Deferred[HttpResponse]:
        self.network.dialed.clear()
        result = Deferred.fromCoroutine(http_fetch(self.network, "ws://host/page"))
        self.transport = self.network.dialed[0].succeed()
        for piece in pieces:
            self.network.dialed[0].protocol.dataReceived(piece)
        self.network.dialed[0].protocol.connectionLost(Failure(reason or ConnectionDone()))
        return result

    @given(st.integers(1, 60))
    def test_response(self, cut: int) -> None:
        """The body is read however it arrives, and however its end is told."""
        for rest in (
            b"Content-Length: 4\r\n\r\nbody",
            b"Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n3\r\nody\r\n0\r\n\r\n",
            b"\r\nbody",
        ):
            whole = HEAD + rest
            response = self.successResultOf(self.fetch(whole[:cut], whole[cut:]))
            self.assertEqual((response.status, response.body), (200, b"body"))
            self.assertEqual(response.headers["x-twice"], "1, 2")

    def test_lost(self) -> None:
        """A whole response counts also where the connection was not closed in order."""
        whole = HEAD + b"Content-Length: 4\r\n\r\nbody"
        self.assertEqual(
            self.successResultOf(self.fetch(whole, reason=ConnectionLost())).body, b"body"
        )
        self.failureResultOf(self.fetch(reason=ConnectionLost()), ConnectionLost)

    def test_broken(self) -> None:
        """What is not whole, not HTTP or too long is refused."""
        for answer in (
            HEAD + b"Content-Length: 5\r\n\r\nbody",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nbody",
            HEAD,
            b"",
            b"hello\r\n\r\n",
            HEAD + b"\r\n" + bytes(LARGEST_RESPONSE),
        ):
            self.failureResultOf(self.fetch(answer), HttpError)
