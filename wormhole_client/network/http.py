"""
The HTTP request: one GET, answered with a status and headers, and a body where it is wanted.

Follows no redirect. `twisted.web.client` would hide what the network and TLS report.
"""

from collections.abc import Callable, Mapping
from email.message import Message
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from wormhole_client.network.endpoints import Network, WebSocketAddress

LARGEST_HEAD: Final = 64 * 1024  # bytes; eight times what servers and proxies accept themselves
LARGEST_RESPONSE: Final = 8 * 1024 * 1024  # bytes; a hundred times the largest file of a web client


class HttpError(Exception):
    """The host does not answer in HTTP."""


@attrs.frozen
class HttpAnswer:
    """
    The head of an HTTP response.

    :ivar headers: names in lower case; the values of a repeated header with commas between them.
    """

    status: int
    headers: Mapping[str, str]


@attrs.frozen
class HttpResponse(HttpAnswer):
    """
    A whole HTTP response.

    :ivar body: as it was sent, still compressed if it was.
    """

    body: bytes = attrs.field(repr=False)


async def http_get(
    network: Network, url: str, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """
    Send a GET request and read the head of the response.

    :param url: `ws://` or `wss://`; the request goes to the same host, port and path over HTTP or HTTPS.
    :raises HttpError: the host closed the connection, or answered in something else than HTTP.
    :raises ValueError: `url` is not a WebSocket URL.
    :raises Exception: what the network or TLS reported.
    """
    response = _begin(await _exchange(network, url, headers, LARGEST_HEAD, _has_head))
    return HttpAnswer(response.status, _join(response.headers))


async def http_fetch(
    network: Network, url: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """
    Send a GET request and read the whole response.

    :param url: as for `http_get`.
    :raises HttpError: the response is not HTTP, incomplete, or longer than `LARGEST_RESPONSE`.
    :raises Exception: as for `http_get`.
    """
    received = await _exchange(network, url, headers, LARGEST_RESPONSE, lambda _: False)
    response = _begin(received)
    try:
        body = response.read()
    except (HTTPException, ValueError) as error:
        raise HttpError("the host closed the connection before the end of its answer") from error
    return HttpResponse(response.status, _join(response.headers), body)


async def _exchange(
    network: Network,
    url: str,
    headers: Mapping[str, str] | None,
    limit: int,
    suffices: Callable[[bytes | bytearray], bool],
) -> bytes:
    """
    Send a GET request, and read until the host closes the connection, or what it has sent suffices.

    :param limit: how many bytes may be read.
    """
    target = urlsplit(url)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    host = target.netloc.rpartition("@")[2]
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = _Request("\r\n".join([*lines, "", ""]).encode("ascii"), limit, suffices)
    endpoint = WebSocketAddress.parse(url).endpoint(network)
    await endpoint.connect(Factory.forProtocol(lambda: request))
    try:
        return await request.response
    finally:
        request.transport.abortConnection()


class _Request(Protocol):
    """Sends a request; `response` fires with what was received."""

    transport: Any

    def __init__(
        self, request: bytes, limit: int, suffices: Callable[[bytes | bytearray], bool]
    ) -> None:
        self._request = request
        self._limit = limit
        self._suffices = suffices
        self._received = bytearray()
        self.response: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        if self.response.called:
            return
        self._received += data
        if self._suffices(self._received):
            self.response.callback(bytes(self._received))
        elif len(self._received) > self._limit:
            self.response.errback(HttpError("the response is too long"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.response.called:
            return
        if self._received:  # whether it is all of it shows when it is read
            self.response.callback(bytes(self._received))
        elif reason.check(ConnectionDone):
            self.response.errback(HttpError("the host closed the connection without an answer"))
        else:
            self.response.errback(reason)


@attrs.frozen
class _Received:
    """What `HTTPResponse` reads from."""

    data: bytes

    def makefile(self, mode: str) -> BytesIO:  # noqa: ARG002 - a socket's
        return BytesIO(self.data)


def _has_head(received: bytes | bytearray) -> bool:
    return b"\r\n\r\n" in received


def _begin(received: bytes) -> HTTPResponse:
    """Read the head of a response."""
    if not _has_head(received):
        raise HttpError("the host does not answer in HTTP")
    response = HTTPResponse(_Received(received))  # type: ignore[arg-type]  # all that it uses of a socket
    try:
        response.begin()
    except HTTPException as error:
        raise HttpError("the host does not answer in HTTP") from error
    return response


def _join(headers: Message) -> dict[str, str]:
    return {name.lower(): ", ".join(map(str, headers.get_all(name, []))) for name in headers}
