"""
The HTTP server: twisted.web without an access log and without request bodies, and with a deadline.

Owns the site, its channel and its plain-text pages. Knows none of the pages that are served.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from twisted.internet.interfaces import (
    IAddress,
    ILoggingContext,
    IProtocol,
    ITCPTransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site
from zope.interface import implementer

from wormhole_limits.ip_addresses import block_of
from wormhole_limits.scheduler import REQUEST_UNITS, Scheduler, Task
from wormhole_server.listening.factory import ConnectionAddress
from wormhole_twisted.internals import abort_later, forget_abort, is_bare_tcp, take_unread
from wormhole_websocket.handshake import is_valid_host

_log = Logger()

_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)/?", re.IGNORECASE)

_TEXT = b"text/plain; charset=utf-8"


class PrivateRequest(Request):
    """A request of which nothing is stored or logged."""

    _task: Task | None = None

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002, N802 - http.Request prescribes it
        """Let twisted.web store no body, which it would put into a file: no page takes one."""
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """
        Split an absolute target into host and path; it is sent to proxies, and servers have to accept it.

        The host counts in place of the header's (RFC 9112, section 3.2.2).
        """
        absolute = _ABSOLUTE.match(path)
        if absolute is not None:
            path = b"/" + path[absolute.end() :]
            if has_valid_host(self):
                self.requestHeaders.setRawHeaders(b"host", [absolute[1]])
        super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Drop a piece of the body."""

    def process(self) -> None:
        """Answer now, or in turn."""
        channel = cast(PromptChannel, self.channel)
        client = block_of(channel.client_of(self))
        self._task = channel.scheduler.new_task(client, self._process_now, opening=True)
        if channel.takes_turn():
            channel.scheduler.arrived(self._task)
        else:
            channel.callLater(0, self._process_later)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure) -> None:
        """Do not answer any more: the client has left."""
        if self._task is not None:
            cast(PromptChannel, self.channel).scheduler.forget(self._task)
            self._task = None
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _process_later(self) -> None:
        if self._task is not None:  # the client may have left meanwhile
            cast(PromptChannel, self.channel).when_drained(self._wait)

    def _wait(self) -> None:
        if self._task is not None:
            cast(PromptChannel, self.channel).scheduler.postpone(self._task)

    def _process_now(self, _: int) -> bool:
        channel, task = cast(PromptChannel, self.channel), cast(Task, self._task)
        self._task = None
        channel.scheduler.spend(task, REQUEST_UNITS)
        channel.scheduler.forget(task)
        super().process()  # type: ignore[no-untyped-call]
        channel.pass_unread()
        return False

    def render(self, resrc: IResource) -> None:
        """
        Answer with the page.

        twisted.web would log the path of each HEAD request, and send its name and version.
        """
        self.responseHeaders.removeHeader(b"server")
        body: bytes | int = resrc.render(self)
        if isinstance(body, bytes):
            self.setHeader(b"content-length", b"%d" % len(body))  # type: ignore[no-untyped-call]
            # The first piece of an answer to HEAD sends the head, and nothing else.
            self.write(body)  # type: ignore[no-untyped-call]
            self.finish()  # type: ignore[no-untyped-call]


class PromptChannel(http.HTTPChannel):
    """
    A connection whose next request has to be complete in time.

    twisted.web's own timeout begins anew with every byte, so that a client could hold a connection for any
    time. Here it runs from the connection, or the answer before, to the end of the request.

    Of the requests that arrive in one piece, the first may be answered at once. The others wait in line:
    hundreds of them fit into what is read at once, and a page takes a millisecond or two to make. None is
    answered before the client has read the answers before it, and for that it has as long as for a request.

    :ivar arrival: the address that the site was given.
    :ivar scheduler: says when a request is answered.
    :ivar successor: the protocol that has taken the connection over, if one has.
    """

    arrival: IAddress | None = None
    scheduler: Scheduler
    successor: IProtocol | None = None
    _had_turn = False
    _in_headers = False
    _refused = False
    _full = False
    _drained: Callable[[], None] | None = None

    def pauseProducing(self) -> None:
        """The transport holds enough."""
        self._full = True
        super().pauseProducing()  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:
        """The transport has sent all of it."""
        self._full = False
        super().resumeProducing()  # type: ignore[no-untyped-call]
        drained, self._drained = self._drained, None
        if drained is not None:
            self.setTimeout(None)  # type: ignore[no-untyped-call]
            drained()

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call `call` as soon as the transport holds little, which may be now."""
        if self._full:
            self._drained = call
            self.setTimeout(self.factory.timeOut)  # type: ignore[no-untyped-call]
        else:
            call()

    def dataReceived(self, data: bytes) -> None:
        """Read a piece of a request, unless the connection is closing: TLS delivers that as well."""
        if not cast(Any, self.transport).disconnecting and not self._refused:
            self._had_turn = False
            super().dataReceived(data)  # type: ignore[no-untyped-call]
            self.pass_unread()

    def pass_unread(self) -> None:
        """Pass to the successor what arrived behind the request that it was made for."""
        successor: Any = self.successor
        if successor is not None and (unread := take_unread(self)):
            # This channel has paused the transport where it held much.
            successor.transport.resumeProducing()
            successor.dataReceived(unread)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - LineReceiver prescribes it
        """Read a line of a request's head."""
        self._in_headers = bool(line)
        super().lineReceived(line)  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802
        """Refuse a request with a line of more than 16 KiB."""
        self._refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            if self._in_headers
            else HTTPStatus.REQUEST_URI_TOO_LONG
        )

    def allHeadersReceived(self) -> None:  # noqa: N802 - HTTPChannel prescribes it
        """
        Refuse a body in chunks (RFC 9112, section 6.3).

        No page takes a body, and thousands of chunks may arrive at once, of which each takes some time.
        """
        if self.length is None:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        else:
            super().allHeadersReceived()  # type: ignore[no-untyped-call]

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 - LineReceiver prescribes it
        """Read a piece of a body, unless the request has been refused."""
        if not self._refused:
            super().rawDataReceived(data)

    def _refuse(self, status: HTTPStatus) -> None:
        """
        Answer, and read what the client still sends.

        Bytes that nobody reads would make the kernel reset the connection, and the client lose the answer.
        """
        self._refused = True
        transport: Any = self.transport
        transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            % (status, status.phrase.encode())
        )
        if is_bare_tcp(transport):
            transport.loseWriteConnection()  # the timeout ends the rest
        else:
            self.loseConnection()  # type: ignore[no-untyped-call]

    def checkPersistence(self, request: Request, version: bytes) -> bool:  # noqa: N802
        """Return whether another request may follow; twisted.web reads only lists that have no commas."""
        if b"close" in header_tokens(request, b"connection"):
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))  # type: ignore[no-untyped-call]

    def client_of(self, request: http.Request) -> IAddress | None:
        """The client that a request comes from."""
        if isinstance(self.arrival, ConnectionAddress):
            headers = request.requestHeaders
            return self.arrival.origin(lambda name: headers.getRawHeaders(name, []))
        return self.arrival

    def takes_turn(self) -> bool:
        """Whether a request may be answered at once; the next one may not."""
        had_turn, self._had_turn = self._had_turn, True
        return not had_turn

    def resetTimeout(self) -> None:  # noqa: N802 - TimeoutMixin prescribes it
        """Do not wait longer because a byte has arrived."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """Close the connection. (twisted.web would log the address.)"""
        abort_later(self)

    def forceAbortClient(self) -> None:  # noqa: N802
        """Abort the connection: the client does not read what has to be sent before it is closed."""
        forget_abort(self)
        cast(ITCPTransport, self.transport).abortConnection()


@implementer(ILoggingContext)
class PrivateSite(Site):
    """
    A web site without an access log.

    :param name: of the site in the log, when it begins to listen.
    :param scheduler: says when a request is answered.
    :param request_seconds: how long a connection may take to complete a request.
    """

    noisy = False
    requestFactory = PrivateRequest  # noqa: N815 - Site prescribes it
    # Without the proxy that twisted.web puts before it, for the sake of HTTP/2.
    protocol = PromptChannel  # type: ignore[assignment]

    def __init__(
        self, name: str, scheduler: Scheduler, root: IResource, request_seconds: float
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            root, reactor=scheduler.clock, timeout=request_seconds, parsePOSTFormSubmission=False
        )

        self._name = name
        self._scheduler = scheduler

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the channel of a connection."""
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.arrival = addr
        channel.scheduler = self._scheduler
        return channel

    def getResourceFor(self, request: Request) -> IResource:  # noqa: N802 - Site prescribes it
        """Find the page for a request, which has to name one valid host (RFC 9112, section 3.2)."""
        if not has_valid_host(request) and (
            request.clientproto == b"HTTP/1.1" or request.requestHeaders.hasHeader(b"host")
        ):
            return BadRequest()
        found: IResource = super().getResourceFor(request)  # type: ignore[no-untyped-call]
        return found

    def logPrefix(self) -> str:
        """The name of the site, for the log."""
        return self._name

    def log(self, request: http.Request) -> None:
        """Log no address and no path."""

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802 - IProtocolNegotiationFactory
        """Offer no HTTP/2, over which twisted.web has no WebSockets."""
        return [b"http/1.1"]


class TextPage(Resource):
    """Plain text at one path, for GET and HEAD."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def getChild(self, path: bytes, request: http.Request) -> Resource:  # noqa: ARG002
        """Answer 404: the page has no children."""
        return NotFound()

    def render(self, request: Request) -> bytes | int:
        """Answer GET and HEAD, and no other method."""
        if request.method in (b"GET", b"HEAD"):
            return self.render_GET(request)
        request.setHeader(b"allow", b"GET, HEAD")
        return text(request, 405, "This can only be read.")

    def render_GET(self, request: Request) -> bytes | int:
        """Make the page."""
        raise NotImplementedError


class NotFound(TextPage):
    """A page that does not exist."""

    def render(self, request: Request) -> bytes:
        """Answer 404, whatever the method."""
        return text(request, 404, "There is nothing here.")


class BadRequest(TextPage):
    """The answer to a request that breaks a rule of HTTP."""

    def render(self, request: Request) -> bytes:
        """Answer 400, whatever the method."""
        return text(request, 400, "This is not a valid HTTP request.")


def has_valid_host(request: http.Request) -> bool:
    """Return whether a request names one host."""
    hosts = request.requestHeaders.getRawHeaders(b"host", [])
    return len(hosts) == 1 and is_valid_host(hosts[0])


def header_tokens(request: http.Request, name: bytes) -> list[bytes]:
    """Return the members of a header that is a list of names, in lower case (RFC 9110, section 5.6.1)."""
    values = request.requestHeaders.getRawHeaders(name, [])
    return [token.strip(b" \t").lower() for value in values for token in value.split(b",")]


def text(request: Request, code: int, sentence: str) -> bytes:
    """Answer with a sentence."""
    # Twisted does not know the name of every status.
    request.setResponseCode(code, HTTPStatus(code).phrase.encode())
    request.setHeader(b"content-type", _TEXT)
    request.setHeader(b"cache-control", b"no-store")
    return f"{sentence}\n".encode()


class LoggedPageError(Exception):
    """A page could not be made for any of those that wait for it, and the log has the reason."""


class Later:
    """An answer that is made later, and dropped where the client has left meanwhile."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._alive = True
        request.notifyFinish().addErrback(self._gone)

    def text(self, code: int, sentence: str) -> None:
        """Answer with a sentence."""
        if self._alive:
            self.body(text(self._request, code, sentence))

    def body(self, body: bytes) -> None:
        """Answer with `body`; status and type are set already."""
        if self._alive:
            self._request.setHeader(b"content-length", b"%d" % len(body))
            self._request.write(body)
            self._request.finish()

    def failed(self, failure: Failure) -> None:
        """
        Log a failure of the server's, and answer only that there was one.

        An answer that has begun cannot be taken back: its connection is closed.
        """
        if failure.check(LoggedPageError) is None:
            _log.failure("A page could not be made.", failure)
        if self._alive and self._request.startedWriting:
            self._give_up()
            return
        try:
            self.text(500, "The server has failed to make this page.")
        except Exception:
            _log.failure("A client could not be told that its page could not be made.")
            self._give_up()

    def _give_up(self) -> None:
        self._alive = False
        cast(PromptChannel, self._request.channel).forceAbortClient()

    def _gone(self, failure: Any) -> None:  # noqa: ARG002 - an errback takes it
        self._alive = False
