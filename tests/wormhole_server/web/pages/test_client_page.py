"""Tests of `wormhole_server.web.pages.client_page`."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.welcome import Welcome
from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import fetch
from tests.wormhole_server.web.pages.support import FakeSource, Outline
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.assets import make_asset
from wormhole_server.web.pages.client_page import WebClient
from wormhole_server.web.pages.home import Home

HTML = "Accept: text/html\r\n"
NAMES = (
    "page.js",
    "page.css",
    "worker.js",
    "sw.js",
    "icon-192.png",
    "icon-512.png",
    "maskable-512.png",
    "touch-180.png",
)
ASSETS = {name: make_asset(name, name.encode()) for name in NAMES}


class ClientPageTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a site with the browser client."""
        self.source = FakeSource()
        self.site = self.make()

    def make(self, name: str = "Our <wormhole>", contact: str | None = None) -> PrivateSite:
        """Make a site whose operator has set these."""
        home = Home(
            self.source, commands=True, status=True, client=WebClient(ASSETS, name, contact)
        )
        return PrivateSite("Test", make_scheduler(Clock()), home, 10.0)

    def page(self, site: PrivateSite | None = None) -> str:
        """Fetch the page as a browser does."""
        return fetch(site or self.site, "/", headers=f"{HTML}")[2]

    def test_counted(self) -> None:
        """The page counts when a browser gets it: not as text, nor its head alone, nor the commands."""
        self.page()
        self.assertEqual(self.source.loads, 1)
        fetch(self.site, "/")
        fetch(self.site, "/", headers=HTML, method="HEAD")
        fetch(self.site, "/commands", headers=HTML)
        self.assertEqual(self.source.loads, 1)

    def facts(self, host: str = "x") -> Any:
        """Return what the page tells the client."""
        page = self.page()
        found = re.search(r'data-server="([^"]*)"', page)
        assert found is not None
        return json.loads(html.unescape(found[1]))

    def test_loaded(self) -> None:
        """The page loads files of its own server alone, by relative addresses that exist."""
        outline = Outline(self.page())
        loaded = [each for each in outline.addresses if each.startswith("client/")]
        self.assertEqual(len(loaded), 4)
        for each in [*loaded, "manifest.webmanifest", "sw.js", "commands"]:
            self.assertEqual(fetch(self.site, f"/{each}")[0], 200, each)
        linked = {urlsplit(each).hostname for each in outline.addresses if "//" in each}
        self.assertEqual(linked, {"github.com", "magic-wormhole.readthedocs.io"})

    def test_policy(self) -> None:
        """A browser may load and run nothing but the server's own files."""
        _, head, body = fetch(self.site, "/", headers=HTML)
        self.assertIn("default-src 'none'; script-src 'self'", head)
        self.assertNotIn("unsafe", head)
        self.assertNotIn("<style", body)
        self.assertIsNone(re.search(r"<script(?![^>]* src=)", body))

    def test_facts(self) -> None:
        """The client is told the relay's public address, and the command for the other end."""
        facts = self.facts()
        self.assertEqual(facts["publicRelay"], {"hostname": "x", "port": 4001})
        command = "wormhole --relay-url=ws://x/v1 --transit-helper=tcp:x:4001 receive"
        self.assertEqual(facts["receiveCommand"], command)
        self.assertEqual(fetch(self.site, f"/{facts['assets']['worker']}")[0], 200)

    def test_operator(self) -> None:
        """The operator's texts are shown as text, and a contact is a link."""
        self.source.greeting = Welcome("<b>moves</b>", "closed", None)
        page = self.page(self.make(contact="admin@example.org"))
        words = "".join(Outline(page).words)
        for each in ("Our <wormhole>", "<b>moves</b>", "closed"):
            self.assertIn(each, words)
        self.assertIn("mailto:admin@example.org", Outline(page).addresses)
        page = self.page(self.make(contact="https://example.org/contact"))
        self.assertIn("https://example.org/contact", Outline(page).addresses)
        self.assertNotIn("Contact", "".join(Outline(self.page()).words))

    def test_without_script(self) -> None:
        """A browser that runs no scripts shows the commands, and curl gets them as text."""
        noscript = self.page().partition("<noscript>")[2].partition("</noscript>")[0]
        self.assertIn("wormhole-william", noscript)
        self.assertIn("wormhole-william", fetch(self.site, "/", headers="Accept: */*\r\n")[2])
        commands = Outline(fetch(self.site, "/commands", headers=HTML)[2])
        self.assertTrue(any("wormhole-william" in each for each in commands.commands))
        self.assertNotIn("script", commands.tags)

    def test_manifest(self) -> None:
        """The manifest names the server, and icons that exist."""
        status, head, body = fetch(self.site, "/manifest.webmanifest")
        self.assertEqual(status, 200)
        self.assertIn("content-type: application/manifest+json", head)
        manifest = json.loads(body)
        self.assertEqual(manifest["name"], "Our <wormhole>")
        for icon in manifest["icons"]:
            self.assertEqual(fetch(self.site, f"/{icon['src']}")[0], 200)
