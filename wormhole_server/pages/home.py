"""
`/`: greets a person, says what this is, and which commands use it.

Owns what the page says, for browsers in HTML and for everything else in plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from twisted.web import http
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.template import Element, Tag, renderer, tags

from wormhole_server.http import Later, Page
from wormhole_server.pages.commands import Client, clients
from wormhole_server.pages.html import allow_nothing, render, template
from wormhole_server.pages.negotiate import negotiate
from wormhole_server.reach import Reach

_TITLE = "Magic Wormhole server"
_TEXT = "text/plain"
_HTML = "text/html"


class Words(Protocol):
    """
    What the operator tells clients, as it is now.

    :ivar motd: a message of the day.
    :ivar error: why no client is served.
    """

    @property
    def motd(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...


class Home(Page):
    """
    The page.

    :param reach: where the one who asks reaches this server, by the `Host` of the request and by whether it
        came through TLS.
    :param words: what the operator tells clients.
    :param came_securely: whether somebody has come through TLS.
    :param status: whether there is a page at /status.
    """

    def __init__(
        self,
        reach: Callable[[str | None, bool], Reach],
        words: Callable[[], Words],
        came_securely: Callable[[Request], bool],
        *,
        status: bool,
    ) -> None:
        super().__init__()
        self._came_securely = came_securely
        self._reach = reach
        self._words = words
        self._status = status

    def getChild(self, path: bytes, request: http.Request) -> Resource:
        """The root itself has an empty name."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes | int:
        """In the form that is asked for."""
        host = request.getHeader(b"host")
        name = None if host is None else host.decode("latin-1")
        programs = clients(self._reach(name, self._came_securely(request)))
        words = self._words()
        allow_nothing(request)
        request.setHeader(b"vary", b"Accept")
        accept = request.getHeader(b"accept")
        wanted = negotiate(None if accept is None else accept.decode("latin-1"), (_TEXT, _HTML))
        request.setHeader(b"content-type", f"{wanted}; charset=utf-8".encode())
        if wanted == _TEXT:
            return "\n".join(_text(programs, words, status=self._status)).encode()
        later = Later(request)
        greeting = Greeting(programs, words, status=self._status)
        render(_TITLE, greeting).addCallback(later.body).addErrback(later.failed)
        return NOT_DONE_YET


class Greeting(Element):
    """What a browser shows."""

    loader = template("home.xml")

    def __init__(self, programs: list[Client], words: Words, *, status: bool) -> None:
        super().__init__()
        self._programs = programs
        self._words = words
        self._status = status

    @renderer
    def closed(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002 - twisted.web.template's
        """Why no client is served, where none is."""
        error = self._words.error
        return "" if error is None else tag.fillSlots(text=error)

    @renderer
    def motd(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        """The message of the day, where there is one."""
        motd = self._words.motd
        return "" if motd is None else tag.fillSlots(text=motd)

    @renderer
    def commands(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        """Only where clients can get here."""
        return tag if self._programs else ""

    @renderer
    def clients(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        """One card for each."""
        for program in self._programs:
            once = program.once
            yield tag.clone().fillSlots(
                name=program.name,
                origin=program.origin,
                send=_command(program.send),
                receive=_command(program.receive),
                once=[tags.p("Or once, for all that follows", class_="label"), _command(once)]
                if once is not None
                else "",
                remark="" if program.remark is None else tags.p(program.remark, class_="remark"),
            )

    @renderer
    def status(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        """Where there is such a page."""
        return tag if self._status else ""


def _command(command: str) -> Tag:
    """Its words stay whole where a line has room for them: a browser would break them at hyphens."""
    words: list[Tag | str] = []
    for word in command.split(" "):
        words += [" ", tags.span(word)] if words else [tags.span(word)]
    return tags.pre(tags.code(words), tabindex="0")


def _text(programs: list[Client], words: Words, *, status: bool) -> Iterator[str]:
    yield "This is a Magic Wormhole server."
    yield "It helps two people to send each other files with a short code, and cannot read what they send."
    for title, said in (("Closed", words.error), ("From the operator", words.motd)):
        if said is not None:
            yield f"\n{title}: {said}"
    for program in programs:
        yield f"\n{program.name} ({program.origin})"
        yield f"  {program.send}"
        yield f"  {program.receive}"
        if program.once is not None:
            yield f"  or once, for all that follows: {program.once}"
        if program.remark is not None:
            yield f"  {program.remark}"
    yield ""
    if status:
        yield "How this server is doing: /status"
    yield "More: https://magic-wormhole.readthedocs.io/"
    yield ""
