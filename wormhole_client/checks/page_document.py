"""
The document of a web page: what a browser loads for it, and what the server tells the web client in it.

Owns the reading of HTML and of the web app manifest. No I/O.
"""

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

WEB_CLIENT = "screen"  # the id of the element that the web client fills
COMMANDS_TITLE = "Magic Wormhole server"


class PageDocument(HTMLParser):
    """
    A document.

    :ivar title: the text of its title.
    :ivar loaded: the addresses of what a browser loads for it, as they stand there.
    :ivar has_inline_script: whether there is a script without an address.
    :ivar facts: what the web client reads; None where this is not its page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = ""
        self.loaded: list[str] = []
        self.has_inline_script = False
        self.facts: Mapping[str, Any] | None = None
        self._in_title = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        attributes = dict(attrs)
        self._in_title = tag == "title"
        source = attributes.get("src")
        if source is not None:
            self.loaded.append(source)
        elif tag == "script":
            self.has_inline_script = True
        if tag == "link":
            self.loaded.append(attributes.get("href") or "")
        if attributes.get("id") == WEB_CLIENT:
            self.facts = _read_object(attributes.get("data-server") or "")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - HTMLParser's
        """See `HTMLParser`."""
        self._in_title = False

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        if self._in_title:
            self.title += data

    def workers(self) -> list[str]:
        """Return the addresses of the web client's workers, as the server tells them."""
        named = (self.facts or {}).get("assets")
        return [str(address) for address in named.values()] if isinstance(named, Mapping) else []


def icons_of(manifest: bytes) -> list[str] | None:
    """Return the addresses of the pictures of a web app manifest; None if it is not one."""
    icons = _read_object(manifest).get("icons")
    if not isinstance(icons, list):
        return None
    return [str(icon.get("src")) for icon in icons if isinstance(icon, Mapping)]


def _read_object(text: str | bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, Mapping) else {}
