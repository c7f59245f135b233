"""
Rendering: from a page to the bytes and headers of a response, in the form that the client accepts.

Owns the document around a page, its style, icon and security headers, and content negotiation (RFC 9110,
12.5.1) for types without parameters. A browser may show a page, and nothing else: there is no script, font,
picture or cookie.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.python.filepath import FilePath
from twisted.web.iweb import IRenderable, IRequest
from twisted.web.server import Request
from twisted.web.template import Element, Tag, XMLFile, flattenString, renderer

from wormhole_web.files import COMMON_HEADERS

TEXT = "text/plain"
HTML = "text/html"
JSON = "application/json"

_HERE = Path(__file__).parent
_STYLE = (_HERE / "page.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_ICON = "data:image/svg+xml," + quote((_HERE / "icon.svg").read_text().strip())
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def set_headers(request: Request, content_type: str) -> None:
    """Set the type of a response, and what a browser may do with it."""
    request.setHeader(b"content-type", f"{content_type}; charset=utf-8".encode())
    request.setHeader(b"content-security-policy", _POLICY.encode())
    for header, value in COMMON_HEADERS.items():
        request.setHeader(header.encode(), value.encode())
    request.setHeader(b"cache-control", b"no-store")


def negotiate(request: Request, offers: Sequence[str]) -> str:
    """
    Choose the type that a client accepts most, and set the headers for it.

    :param offers: the types of the page, such as `text/html`.
    """
    accept = request.getHeader(b"accept")
    chosen = preferred_type(None if accept is None else accept.decode("latin-1"), offers)
    set_headers(request, chosen)
    request.setHeader(b"vary", b"Accept")
    return chosen


def preferred_type(accept: str | None, offers: Sequence[str]) -> str:
    """
    Choose the type that an `Accept` header prefers.

    :param accept: None where the request has no such header.
    :return: the first offer where several are preferred alike, or none is accepted.
    """
    weights = {offer: _weight(accept, offer) for offer in offers}
    return max(offers, key=weights.__getitem__)


def _weight(accept: str | None, offer: str) -> float:
    if not accept:
        return 1.0
    # The most specific entry counts.
    found = (-1, 0.0)
    for entry in accept.split(","):
        accepted, *parameters = (part.strip().lower() for part in entry.split(";"))
        specificity = _specificity(accepted, offer)
        if specificity > found[0]:
            found = (specificity, _quality(parameters))
    return found[1]


def _specificity(accepted: str, offer: str) -> int:
    if accepted == offer:
        return 2
    if accepted == offer.partition("/")[0] + "/*":
        return 1
    return 0 if accepted == "*/*" else -1


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def render(title: str, content: IRenderable) -> Deferred[bytes]:
    """Render the whole document in UTF-8."""
    return flattenString(None, _Document(title, content)).addCallback(b"<!DOCTYPE html>\n".__add__)


def template(name: str) -> XMLFile:
    """Load a template from the directory of this module."""
    return XMLFile(FilePath(str(_HERE / name)))


class _Document(Element):
    """
    The document around a page.

    :param title: for the browser's tab.
    """

    loader = template("document.xml")

    def __init__(self, title: str, content: IRenderable) -> None:
        super().__init__()
        self._title = title
        self._content = content

    @renderer
    def title(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        return tag(self._title)

    @renderer
    def icon(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        # In the page: a browser would request it otherwise.
        return tag(href=_ICON)

    @renderer
    def style(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        return tag(_STYLE)

    @renderer
    def content(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        return tag(self._content)
