"""
The page of the browser client: the frame around its screens, with what the server tells the client.

Owns the document. What the page does is in `web/page/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRenderable, IRequest
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.template import Element, Tag, flattenString, renderer

from rendezvous.welcome import Welcome
from wormhole_server.web.addresses import ServerAddresses
from wormhole_server.web.http import TextPage
from wormhole_server.web.pages.assets import Asset, AssetPage, Assets
from wormhole_server.web.pages.client_commands import receive_command
from wormhole_server.web.pages.rendering import set_headers, template
from wormhole_web.files import PAGE_HEADERS

_COLOUR: Final = "#4c3aa8"


def client_facts(addresses: ServerAddresses, assets: Mapping[str, Asset]) -> dict[str, Any]:
    """Return what `web/page/server.ts` reads: see `ServerFacts` there."""
    relay = addresses.transit_helper
    public_relay = None
    if relay is not None:
        hostname, _, port = relay.removeprefix("tcp:").rpartition(":")
        public_relay = {"hostname": hostname.strip("[]"), "port": int(port)}
    return {
        "publicRelay": public_relay,
        "receiveCommand": receive_command(addresses),
        "assets": {"worker": assets["worker.js"].url, "serviceWorker": "sw.js"},
    }


def render_client(request: Request, view: ClientView) -> Deferred[bytes]:
    """Render the whole document in UTF-8, and set the headers of the response."""
    for header, value in PAGE_HEADERS.items():
        request.setHeader(header.encode(), value.encode())
    return flattenString(None, view).addCallback(b"<!DOCTYPE html>\n".__add__)


@attrs.frozen
class WebClient:
    """
    The browser client, as this server serves it.

    :ivar site_name: what the operator calls this server.
    :ivar contact: how its operator is reached, a mail address or a URL; None: it is not said.
    """

    assets: Mapping[str, Asset]
    site_name: str
    contact: str | None

    def put_files(self, root: Resource) -> None:
        """Put the files of the client below the home page."""
        root.putChild(b"client", Assets(self.assets))
        # A service worker serves what is below its own folder.
        root.putChild(b"sw.js", AssetPage(self.assets["sw.js"]))
        root.putChild(b"manifest.webmanifest", _Manifest(self))

    def manifest(self) -> dict[str, Any]:
        """Return the web app manifest (W3C), with which the page is installed as an application."""

        def icon(name: str, pixels: int, purpose: str) -> dict[str, str]:
            size = f"{pixels}x{pixels}"
            return {
                "src": self.assets[name].url,
                "sizes": size,
                "type": "image/png",
                "purpose": purpose,
            }

        return {
            "name": self.site_name,
            "short_name": self.site_name[:12],
            "id": "./",
            "start_url": "./",
            "scope": "./",
            "display": "standalone",
            "theme_color": _COLOUR,
            "background_color": _COLOUR,
            # The service worker takes what a phone shares; the server never sees it.
            "share_target": {
                "action": "receive/share",
                "method": "POST",
                "enctype": "multipart/form-data",
                "params": {
                    "title": "title",
                    "text": "text",
                    "url": "url",
                    "files": [{"name": "files", "accept": ["*/*"]}],
                },
            },
            "icons": [
                icon("icon-192.png", 192, "any"),
                icon("icon-512.png", 512, "any"),
                icon("maskable-512.png", 512, "maskable"),
            ],
        }


class _Manifest(TextPage):
    def __init__(self, client: WebClient) -> None:
        super().__init__()
        self._client = client

    def render_GET(self, request: Request) -> bytes:
        set_headers(request, "application/manifest+json")
        return json.dumps(self._client.manifest()).encode()


class ClientView(Element):
    """
    The document.

    :param without_script: what a browser shows that runs no scripts.
    :param status: whether there is a page at /status to link to.
    """

    loader = template("client.xml")

    def __init__(
        self,
        client: WebClient,
        addresses: ServerAddresses,
        welcome: Welcome,
        without_script: IRenderable,
        *,
        status: bool,
    ) -> None:
        super().__init__()
        self._client = client
        self._addresses = addresses
        self._welcome = welcome
        self._without_script = without_script
        self._status = status

    @renderer
    def name(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        return tag(self._client.site_name)

    @renderer
    def asset(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        """Complete an element whose `src` or `href` is the name of an asset."""
        for attribute in ("src", "href"):
            if attribute in tag.attributes:
                tag.attributes[attribute] = self._client.assets[str(tag.attributes[attribute])].url
        return tag

    @renderer
    def screen(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        # An attribute: the content of a script is not escaped as the rest of the page is.
        facts = client_facts(self._addresses, self._client.assets)
        return tag(**{"data-server": json.dumps(facts)})

    @renderer
    def without_script(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        return tag(self._without_script)

    @renderer
    def closed(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        error = self._welcome.error
        return "" if error is None else tag(error)

    @renderer
    def motd(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        motd = self._welcome.motd
        return "" if motd is None else tag(motd)

    @renderer
    def status(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        return tag if self._status else ""

    @renderer
    def contact(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        contact = self._client.contact
        if contact is None:
            return ""
        return tag(href=contact if "://" in contact else f"mailto:{contact}")
