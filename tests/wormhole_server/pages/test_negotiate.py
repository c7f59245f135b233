"""Tests of `wormhole_server.pages.negotiate`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.pages.negotiate import negotiate

OFFERS = ("text/plain", "text/html")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class NegotiateTests(SynchronousTestCase):
    def test_wishes(self) -> None:
        """The most wanted is given; the first where all are wanted alike, or none."""
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
            self.assertEqual(negotiate(accept, OFFERS), expected, accept)

    @given(st.text())
    def test_anything(self, accept: str) -> None:
        """Whatever somebody writes, they are given something."""
        self.assertIn(negotiate(accept, OFFERS), OFFERS)
