"""
twisted.web as this server wants it: no access log, nothing kept of request bodies, a deadline.

Owns the site, its channel and its plain-text pages. Knows none of the pages that are served.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from twisted.internet.interfaces import IAddress, ILoggingContext, IReactorTime, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site
from zope.interface import implementer

_log = Logger()

_TEXT = b"text/plain; charset=utf-8"


class PrivateRequest(Request):
    """A request that leaves no trace."""

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002, N802 - http.Request prescribes it
        """There is nothing here that takes a body: what comes is dropped, and never fills a disk."""
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """A piece of the body that nobody reads."""

    def render(self, resrc: IResource) -> None:
        """
        Answer with the page.

        twisted.web would log each HEAD request with its path, and tell which version of what answers.
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

    twisted.web's own timeout begins anew with every byte, so that a client may hold a connection for
    as long as it likes. Here it runs from the connection, or the answer before, to the end of the
    request.

    :ivar arrival: what the site was told of where the connection comes from.
    """

    arrival: IAddress | None = None

    def dataReceived(self, data: bytes) -> None:
        """A piece of a request, unless the connection is being closed: TLS hands that on as well."""
        if not cast(Any, self.transport).disconnecting:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def resetTimeout(self) -> None:  # noqa: N802 - TimeoutMixin prescribes it
        """A byte is no reason to wait longer."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """Time is up. (twisted.web would log the address.)"""
        self._abortingCall = self.callLater(  # type: ignore[no-untyped-call]
            self.abortTimeout, self.forceAbortClient
        )
        self.loseConnection()  # type: ignore[no-untyped-call]

    def forceAbortClient(self) -> None:  # noqa: N802
        """The client does not even read what would end the connection in good order."""
        self._abortingCall = None
        cast(ITCPTransport, self.transport).abortConnection()


@implementer(ILoggingContext)
class PrivateSite(Site):
    """
    A web site without an access log.

    :param name: what the log calls it when it begins to listen.
    :param request_seconds: how long a connection may take to complete a request.
    """

    noisy = False
    requestFactory = PrivateRequest  # noqa: N815 - Site prescribes it
    # Without the proxy that twisted.web puts before it, for the sake of HTTP/2.
    protocol = PromptChannel  # type: ignore[assignment]

    def __init__(
        self, name: str, reactor: IReactorTime, root: IResource, request_seconds: float
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            root, reactor=reactor, timeout=request_seconds, parsePOSTFormSubmission=False
        )

        self._name = name

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A connection."""
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.arrival = addr
        return channel

    def logPrefix(self) -> str:
        """Its name."""
        return self._name

    def log(self, request: http.Request) -> None:
        """Addresses and paths are nobody's business."""

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802 - IProtocolNegotiationFactory
        """HTTP/2 is not for WebSockets."""
        return [b"http/1.1"]


class Page(Resource):
    """Plain text at one path, for GET and HEAD."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def getChild(self, path: bytes, request: http.Request) -> Resource:  # noqa: ARG002
        """There is nothing below."""
        return NotFound()

    def render(self, request: Request) -> bytes | int:
        """Nothing here can be changed from outside."""
        if request.method in (b"GET", b"HEAD"):
            return self.render_GET(request)
        request.setHeader(b"allow", b"GET, HEAD")
        return text(request, 405, "This can only be read.")

    def render_GET(self, request: Request) -> bytes | int:
        """What stands here."""
        raise NotImplementedError


class NotFound(Page):
    """What is not here."""

    def render(self, request: Request) -> bytes:
        """404, whatever the method."""
        return text(request, 404, "There is nothing here.")


def text(request: Request, code: int, sentence: str) -> bytes:
    """Answer with a sentence."""
    # Twisted does not know the name of each.
    request.setResponseCode(code, HTTPStatus(code).phrase.encode())
    request.setHeader(b"content-type", _TEXT)
    request.setHeader(b"cache-control", b"no-store")
    return f"{sentence}\n".encode()


class Later:
    """The answer to a request that takes its time, unless the client has gone meanwhile."""

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
        """Log what went wrong on our side, and say only that it did."""
        _log.failure("A page could not be made.", failure)
        self.text(500, "The server has failed to make this page.")

    def _gone(self, failure: Any) -> None:  # noqa: ARG002 - an errback takes it
        self._alive = False
