"""
twisted.web as this server wants it: no access log, nothing kept of request bodies, a deadline.

Owns the site, its channel and its plain-text pages. Knows none of the pages that are served.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.web import http
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

_TEXT = b"text/plain; charset=utf-8"


class PrivateRequest(Request):
    """A request that leaves no trace."""

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002, N802 - http.Request prescribes it
        """There is nothing here that takes a body: what comes is dropped, and never fills a disk."""
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """A piece of the body that nobody reads."""

    def render(self, resrc: IResource) -> None:
        """Nobody needs to know which version of what answers."""
        self.responseHeaders.removeHeader(b"server")
        super().render(resrc)  # type: ignore[no-untyped-call]


class PromptChannel(http.HTTPChannel):
    """
    A connection whose next request has to be complete in time.

    twisted.web's own timeout begins anew with every byte, so that a client may hold a connection for
    as long as it likes. Here it runs from the connection, or the answer before, to the end of the
    request.
    """

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


class PrivateSite(Site):
    """
    A web site without an access log.

    :param request_seconds: how long a connection may take to complete a request.
    """

    noisy = False
    requestFactory = PrivateRequest  # noqa: N815 - Site prescribes it
    # Without the proxy that twisted.web puts before it, for the sake of HTTP/2.
    protocol = PromptChannel  # type: ignore[assignment]

    def __init__(self, reactor: IReactorTime, root: IResource, request_seconds: float) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            root, reactor=reactor, timeout=request_seconds, parsePOSTFormSubmission=False
        )

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
    request.setResponseCode(code)
    request.setHeader(b"content-type", _TEXT)
    request.setHeader(b"cache-control", b"no-store")
    return f"{sentence}\n".encode()


class Alive:
    """Whether a request that is answered later still has somebody to answer to."""

    def __init__(self, request: Request) -> None:
        self._alive = True
        request.notifyFinish().addErrback(self._gone)

    def __bool__(self) -> bool:
        return self._alive

    def _gone(self, failure: Any) -> None:  # noqa: ARG002 - an errback takes it
        self._alive = False
