"""
How a page becomes bytes, and what a browser may do with it: show it, and nothing else.

Owns the document around a page, its style, its icon and its security headers. A page asks nobody for
anything: no script, no font, no picture from elsewhere, and no cookie.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.python.filepath import FilePath
from twisted.web.iweb import IRenderable, IRequest
from twisted.web.server import Request
from twisted.web.template import Element, Tag, XMLFile, flattenString, renderer

_HERE = Path(__file__).parent
_STYLE = (_HERE / "page.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_ICON = "data:image/svg+xml," + quote((_HERE / "icon.svg").read_text().strip())
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def template(name: str) -> XMLFile:
    """A template that stands beside this module."""
    return XMLFile(FilePath(str(_HERE / name)))


class Document(Element):
    """
    What is around every page.

    :param title: for the browser's tab.
    :param content: the page.
    """

    loader = template("document.xml")

    def __init__(self, title: str, content: IRenderable) -> None:
        super().__init__()
        self._title = title
        self._content = content

    @renderer
    def title(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        """The name of the page."""
        return tag(self._title)

    @renderer
    def icon(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        """In the page itself: a browser would ask for it otherwise."""
        return tag(href=_ICON)

    @renderer
    def style(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        """To the letter what the policy allows."""
        return tag(_STYLE)

    @renderer
    def content(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        """The page itself."""
        return tag(self._content)


def render(title: str, content: IRenderable) -> Deferred[bytes]:
    """The whole document, in UTF-8."""
    return flattenString(None, Document(title, content)).addCallback(b"<!DOCTYPE html>\n".__add__)


def allow_nothing(request: Request) -> None:
    """Say what a browser may do with what it is about to get."""
    request.setHeader(b"content-security-policy", _POLICY.encode())
    request.setHeader(b"x-content-type-options", b"nosniff")
    request.setHeader(b"referrer-policy", b"no-referrer")
    request.setHeader(b"cache-control", b"no-store")
