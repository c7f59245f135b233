"""Tests of `wormhole_server.pages.home`, `html` and what is at /."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.server import Welcome
from tests.wormhole_server.browser import Connection, fetch, split
from wormhole_server.endpoints import Endpoint
from wormhole_server.http import PrivateSite
from wormhole_server.pages.home import Home
from wormhole_server.reach import Listener, Public, Reach, reach_of_visitor

RELAY = Listener(Endpoint("tcp:4001"), IPv4Address("TCP", "0.0.0.0", 4001))
HTML = "Accept: text/html\r\n"


class Outline(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.commands: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self._command = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note where it leads."""
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        if tag == "pre":
            self._command = True
            self.commands.append("")

    def handle_endtag(self, tag: str) -> None:
        """A command is over."""
        self._command = self._command and tag != "pre"

    def handle_data(self, data: str) -> None:
        """Note what it says."""
        self.words.append(data)
        if self._command:
            self.commands[-1] += data


class HomeTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A server on the usual ports."""
        self.public = Public()
        self.words = Welcome()
        self.secure = False
        self.site = self.make(status=True)

    def make(self, *, status: bool) -> PrivateSite:
        """A site with nothing but this page."""
        home = Home(self.reach, lambda: self.words, lambda _: self.secure, status=status)
        return PrivateSite("Test", Clock(), home, 10.0)

    def reach(self, host: str | None, secure: bool) -> Reach:
        """As the service does it."""
        return reach_of_visitor(
            host,
            secure=secure,
            transit=[RELAY],
            public=self.public,
            otherwise=lambda: Reach("ws://fallback:4000/v1", "tcp:fallback:4001"),
        )

    def commands(self, host: str) -> list[str]:
        """What a browser shows to somebody who has come by this name."""
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\n{HTML}\r\n"
        return Outline(raw(self.site, head)).commands

    def test_browser(self) -> None:
        """A browser gets HTML, with the commands for the name by which it has come."""
        commands = self.commands("w.example.org:4000")
        self.assertIn(
            "wormhole --relay-url=ws://w.example.org:4000/v1 "
            "--transit-helper=tcp:w.example.org:4001 send FILE",
            commands,
        )
        self.assertIn("wormhole-william --relay-url=ws://w.example.org:4000/v1 receive", commands)

    def test_tls(self) -> None:
        """Who came through TLS is told to come back through it."""
        self.secure = True
        self.assertIn("--relay-url=wss://w.example.org/v1 ", self.commands("w.example.org")[0])

    def test_curl(self) -> None:
        """Who does not ask for HTML gets text with the same commands."""
        status, head, body = fetch(self.site, "/", headers="Accept: */*\r\n")
        self.assertEqual(status, 200)
        self.assertIn("content-type: text/plain; charset=utf-8", head)
        self.assertIn("wormhole --relay-url=ws://x/v1 --transit-helper=tcp:x:4001 send FILE", body)
        self.assertIn("/status", body)

    def test_hostile_host(self) -> None:
        """A name that is none is not repeated."""
        for host in ('x"><script>', "x;reboot", "$(reboot)", "a/b", "x" * 300, "[::1", "-rf", ""):
            page = raw(self.site, f"GET / HTTP/1.1\r\nHost: {host}\r\n{HTML}\r\n")
            if host:
                self.assertNotIn(host, page)
            self.assertIn("ws://fallback:4000/v1", page)
            self.assertNotIn("script", Outline(page).tags)

    def test_no_host(self) -> None:
        """Somebody without a name for the server gets what the machine guesses."""
        self.assertIn("ws://fallback:4000/v1", raw(self.site, f"GET / HTTP/1.0\r\n{HTML}\r\n"))

    def test_public_host(self) -> None:
        """What the operator has said goes before the name in the request."""
        self.public = Public(host="w.example.org")
        self.assertIn("ws://fallback:4000/v1", self.commands("evil.example")[0])
        self.public = Public(url="wss://w.example.org/v1")
        commands = self.commands("evil.example")
        self.assertIn("--relay-url=wss://w.example.org/v1 ", commands[0])

    def test_words_of_the_operator(self) -> None:
        """Message of the day and error are shown, as they are now, and as text."""
        for accept in ("", HTML):
            self.words = Welcome(motd="<b>moves</b> & more", error="closed until May")
            _, _, body = fetch(self.site, "/", headers=accept)
            words = "".join(Outline(body).words) if accept else body
            self.assertIn("<b>moves</b> & more", words)
            self.assertIn("closed until May", words)
            self.words = Welcome()
            self.assertNotIn("operator", fetch(self.site, "/", headers=accept)[2])

    def test_self_contained(self) -> None:
        """A page asks nobody for anything, and lets the browser do nothing else."""
        _, head, body = fetch(self.site, "/", headers=HTML)
        self.assertIn("default-src 'none'", head)
        self.assertIn("cache-control: no-store", head)
        outline = Outline(body)
        self.assertEqual(outline.tags & {"script", "img", "iframe", "object", "form"}, set())
        others = [each for each in outline.addresses if not each.startswith(("data:", "/"))]
        self.assertEqual(others, ["https://magic-wormhole.readthedocs.io/"])

    def test_no_status(self) -> None:
        """Where there is no status page, none is linked."""
        site = self.make(status=False)
        for accept in ("", HTML):
            self.assertNotIn("/status", fetch(site, "/", headers=accept)[2])
        self.assertEqual(fetch(site, "/status")[0], 404)

    def test_head(self) -> None:
        """HEAD has the head of GET, and no body."""
        status, head, body = fetch(self.site, "/", "HEAD", HTML)
        self.assertEqual((status, body), (200, ""))
        self.assertIn("content-type: text/html", head)


def raw(site: Any, request: str) -> str:
    """The body of the answer to a request that is written out."""
    connection = Connection(site)
    connection.send(request.encode())
    return split(connection.received())[2]
