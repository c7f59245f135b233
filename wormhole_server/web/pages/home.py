"""
The home page, `/`: what this server is, and which commands use it.

Owns what the page says, in HTML for browsers and in plain text for everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from twisted.web import http
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.template import Element, Tag, renderer, tags

from rendezvous.welcome import Welcome
from wormhole_server.web.addresses import ServerAddresses
from wormhole_server.web.http import Later, TextPage
from wormhole_server.web.pages.client_commands import ClientCommands, client_commands
from wormhole_server.web.pages.client_page import ClientView, WebClient, render_client
from wormhole_server.web.pages.rendering import HTML, TEXT, negotiate, render, template

_TITLE = "Magic Wormhole server"
_CLIENTS = "https://github.com/magic-wormhole/wormhole-server/blob/main/docs/clients.md"


class HomeSource(Protocol):
    """What the home page shows."""

    def addresses(self, request: Request) -> ServerAddresses:
        """Return where the client of a request reaches the servers."""

    def welcome(self) -> Welcome:
        """Return what the rendezvous server tells its clients now."""

    def client_loaded(self) -> None:
        """The page of the browser client is sent to a browser."""


class Home(TextPage):
    """
    The page.

    :param commands: whether to show the commands, which name the addresses of the servers.
    :param status: whether there is a page at /status to link to.
    :param client: what a browser is shown in place of the commands, which are at /commands then; None: there
        is no browser client.
    """

    def __init__(
        self,
        source: HomeSource,
        *,
        commands: bool,
        status: bool,
        client: WebClient | None = None,
    ) -> None:
        super().__init__()
        self._source = source
        self._commands = commands
        self._status = status
        self._client = client
        if client is not None:
            client.put_files(self)
            self.putChild(b"commands", Home(source, commands=commands, status=status))

    def getChild(self, path: bytes, request: http.Request) -> Resource:
        # The root itself has an empty name.
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes | int:
        addresses = self._source.addresses(request)
        programs = client_commands(addresses) if self._commands else []
        welcome = self._source.welcome()
        if negotiate(request, (TEXT, HTML)) == TEXT:
            return "\n".join(_text(programs, welcome, status=self._status)).encode()
        later = Later(request)
        view = _HomeView(programs, welcome, status=self._status)
        if self._client is None:
            rendered = render(_TITLE, view)
        else:
            page = ClientView(self._client, addresses, welcome, view, status=self._status)
            rendered = render_client(request, page)
            if request.method == b"GET":
                self._source.client_loaded()
        rendered.addCallback(later.body).addErrback(later.failed)
        return NOT_DONE_YET


class _HomeView(Element):
    """The page as a browser shows it."""

    loader = template("home.xml")

    def __init__(self, programs: list[ClientCommands], welcome: Welcome, *, status: bool) -> None:
        super().__init__()
        self._programs = programs
        self._welcome = welcome
        self._status = status

    @renderer
    def closed(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002 - twisted.web.template's
        error = self._welcome.error
        return "" if error is None else tag.fillSlots(text=error)

    @renderer
    def motd(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        motd = self._welcome.motd
        return "" if motd is None else tag.fillSlots(text=motd)

    @renderer
    def commands(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        return tag if self._programs else ""

    @renderer
    def clients(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        for program in self._programs:
            once = program.once
            yield tag.clone().fillSlots(
                name=program.name,
                origin=program.origin,
                send=_command(program.send),
                receive=_command(program.receive),
                once=[
                    tags.p("Or set it once, for all later commands", class_="label"),
                    _command(once),
                ]
                if once is not None
                else "",
                remark="" if program.remark is None else tags.p(program.remark, class_="remark"),
            )

    @renderer
    def status(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        return tag if self._status else ""


def _command(command: str) -> Tag:
    # A browser would break words at their hyphens: each word has an element that is not broken.
    words: list[Tag | str] = []
    for word in command.split(" "):
        words += [" ", tags.span(word)] if words else [tags.span(word)]
    return tags.pre(tags.code(words), tabindex="0")


def _text(programs: list[ClientCommands], welcome: Welcome, *, status: bool) -> Iterator[str]:
    yield "This is a Magic Wormhole server."
    yield "It lets two people send files to each other with a short code. It cannot read what they send."
    for title, said in (("Closed", welcome.error), ("From the operator", welcome.motd)):
        if said is not None:
            yield f"\n{title}: {said}"
    for program in programs:
        yield f"\n{program.name} ({program.origin})"
        yield f"  {program.send}"
        yield f"  {program.receive}"
        if program.once is not None:
            yield f"  or set it once, for all later commands: {program.once}"
        if program.remark is not None:
            yield f"  {program.remark}"
    yield ""
    if programs:
        yield f"Other clients, for desktops and phones too: {_CLIENTS}"
    if status:
        yield "Status of this server: /status"
    yield "More: https://magic-wormhole.readthedocs.io/"
    yield ""
