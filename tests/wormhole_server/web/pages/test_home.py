"""Tests of `wormhole_server.web.pages.home`."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.welcome import Welcome
from tests.rendezvous.servers import WELCOME
from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch, split
from tests.wormhole_server.web.pages.support import FakeSource, Outline, public_addresses
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.home import Home
from wormhole_websocket.handshake import is_valid_host

HTML = "Accept: text/html\r\n"
# The page of the documentation about other clients, as it is published.
CLIENTS = "https://github.com/magic-wormhole/wormhole-server/blob/main/docs/clients.md"


class HomeTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a site with nothing but this page."""
        self.source = FakeSource()
        self.site = self.make(status=True)

    def make(self, *, status: bool = True, commands: bool = True) -> PrivateSite:
        """Make a site; `status` is whether there is a status page to link to."""
        home = Home(self.source, commands=commands, status=status)
        return PrivateSite("Test", make_scheduler(Clock()), home, 10.0)

    def commands(self, host: str) -> list[str]:
        """Return the commands that a browser shows which has used this name."""
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\n{HTML}\r\n"
        return Outline(raw(self.site, head)).commands

    def test_browser(self) -> None:
        """A browser gets HTML, with the commands for the name that it has used."""
        commands = self.commands("w.example.org:4000")
        self.assertIn(
            "wormhole --relay-url=ws://w.example.org:4000/v1 "
            "--transit-helper=tcp:w.example.org:4001 send FILE",
            commands,
        )
        self.assertIn("wormhole-william --relay-url=ws://w.example.org:4000/v1 receive", commands)

    def test_private(self) -> None:
        """A page for those who do not know the prefix has neither commands nor addresses."""
        self.site = self.make(commands=False)
        self.assertEqual(self.commands("w.example.org:4000"), [])
        _, _, body = fetch(self.site, "/", headers="Accept: */*\r\n")
        self.assertIn("This is a Magic Wormhole server.", body)
        for address in ("ws:", "tcp:", "4001"):
            self.assertNotIn(address, body)

    def test_tls(self) -> None:
        """A browser that has used TLS gets commands that use TLS."""
        self.source.secure = True
        self.assertIn("--relay-url=wss://w.example.org/v1 ", self.commands("w.example.org")[0])

    def test_curl(self) -> None:
        """A client that does not ask for HTML gets text with the same commands."""
        status, head, body = fetch(self.site, "/", headers="Accept: */*\r\n")
        self.assertEqual(status, 200)
        self.assertIn("content-type: text/plain; charset=utf-8", head)
        self.assertIn("wormhole --relay-url=ws://x/v1 --transit-helper=tcp:x:4001 send FILE", body)
        self.assertIn("/status", body)
        self.assertIn(CLIENTS, body)

    def test_hostile_host(self) -> None:
        """A `Host` that is not a host name is not repeated."""
        for host in ('x"><script>', "x;reboot", "$(reboot)", "a/b", "x" * 300, "[::1", "-rf", ""):
            page = raw(self.site, f"GET / HTTP/1.1\r\nHost: {host}\r\n{HTML}\r\n")
            if host:
                self.assertNotIn(host, page)
            if not is_valid_host(host.encode()):
                self.assertIn("not a valid HTTP request", page)
                continue
            self.assertIn("ws://fallback:4000/v1", page)
            self.assertNotIn("script", Outline(page).tags)

    def test_no_host(self) -> None:
        """A request without `Host` gets the address that the machine guesses."""
        self.assertIn("ws://fallback:4000/v1", raw(self.site, f"GET / HTTP/1.0\r\n{HTML}\r\n"))

    def test_public_host(self) -> None:
        """The settings go before the name in a request."""
        self.source.public = public_addresses(host="w.example.org")
        self.assertIn("ws://w.example.org:4000/v1", self.commands("evil.example")[0])
        self.source.public = public_addresses(url="wss://w.example.org/v1")
        commands = self.commands("evil.example")
        self.assertIn("--relay-url=wss://w.example.org/v1 ", commands[0])

    def test_operator(self) -> None:
        """The message of the day and the error are shown as they are now, and as text."""
        for accept in ("", HTML):
            self.source.greeting = Welcome("<b>moves</b> & more", "closed until May", None)
            _, _, body = fetch(self.site, "/", headers=accept)
            words = "".join(Outline(body).words) if accept else body
            self.assertIn("<b>moves</b> & more", words)
            self.assertIn("closed until May", words)
            self.source.greeting = WELCOME
            self.assertNotIn("operator", fetch(self.site, "/", headers=accept)[2])

    def test_self_contained(self) -> None:
        """The page loads nothing, and lets the browser do nothing else."""
        _, head, body = fetch(self.site, "/", headers=HTML)
        self.assertIn("default-src 'none'", head)
        self.assertIn("cache-control: no-store", head)
        outline = Outline(body)
        self.assertEqual(outline.tags & {"script", "img", "iframe", "object", "form"}, set())
        others = [each for each in outline.addresses if not each.startswith(("data:", "/"))]
        self.assertEqual(others, [CLIENTS, "https://magic-wormhole.readthedocs.io/"])

    def test_no_status(self) -> None:
        """A status page that does not exist is not linked."""
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
    """Send a request as it stands; return the body of the response."""
    connection = Connection(site)
    connection.send(request.encode())
    return split(connection.received())[2]
