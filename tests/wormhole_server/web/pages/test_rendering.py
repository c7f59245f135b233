"""Tests of `wormhole_server.web.pages.rendering`."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request
from twisted.web.template import tags

from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import fetch
from wormhole_server.web.http import PrivateSite, TextPage
from wormhole_server.web.pages.rendering import HTML, TEXT, negotiate, preferred_type, render

OFFERS = (TEXT, HTML)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class PreferredTypeTests(SynchronousTestCase):
    def test_preferred(self) -> None:
        """The type with the highest weight is chosen; the first where weights are equal."""
        for accept, expected in (
            (None, "text/plain"),
            ("", "text/plain"),
            ("*/*", "text/plain"),
            (BROWSER, "text/html"),
            ("text/html;q=0.5, text/plain;q=0.4", "text/html"),
            ("text/*;q=0.9, text/plain;q=0.1", "text/html"),
            ("TEXT/HTML", "text/html"),
            ("text/html;q=0, */*;q=0.1", "text/plain"),
            ("text/html; level=1; q=1.0, text/plain;q=0.3", "text/html"),
            ("image/png", "text/plain"),
            ("text/html;q=lots", "text/plain"),
        ):
            self.assertEqual(preferred_type(accept, OFFERS), expected, accept)

    @given(st.text())
    def test_anything(self, accept: str) -> None:
        """Every header leads to one of the offers."""
        self.assertIn(preferred_type(accept, OFFERS), OFFERS)


class Chosen(TextPage):
    """Responds with the type that it has chosen."""

    def getChild(self, path: bytes, request: Request) -> TextPage:  # type: ignore[override]
        return self

    def render_GET(self, request: Request) -> bytes:
        return negotiate(request, OFFERS).encode()


class NegotiateTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """The response has the chosen type, varies with `Accept`, and allows a browser nothing."""
        site = PrivateSite("Test", make_scheduler(Clock()), Chosen(), 10.0)
        for accept, chosen in (("", TEXT), (f"Accept: {BROWSER}\r\n", HTML)):
            _, head, body = fetch(site, "/", headers=accept)
            self.assertEqual(body, chosen)
            for header in (
                f"content-type: {chosen}; charset=utf-8",
                "vary: accept",
                "default-src 'none'",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "cache-control: no-store",
            ):
                self.assertIn(header, head)


class RenderTests(SynchronousTestCase):
    def test_document(self) -> None:
        """A document has a title and its content, escaped, and exactly the style that the policy allows."""
        page = self.successResultOf(render("A <title>", cast(Any, tags.p("1 < 2")))).decode()
        self.assertTrue(page.startswith("<!DOCTYPE html>\n<html"))
        self.assertIn("<title>A &lt;title&gt;</title>", page)
        self.assertIn("<p>1 &lt; 2</p>", page)
        style = re.search("<style>(.*?)</style>", page, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        _, head, _ = fetch(PrivateSite("Test", make_scheduler(Clock()), Chosen(), 10.0), "/")
        self.assertIn(f"sha256-{digest}".lower(), head)
