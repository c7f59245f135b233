"""Tests of `wormhole_server.web.pages.service`: what is at /status."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.exc import OperationalError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol.moods import Mood
from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch, split
from tests.wormhole_server.web.pages.support import FakeSource, Outline
from wormhole_server.metrics.history import DAY, Tally
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.assets import hashes, make_asset
from wormhole_server.web.pages.client_page import WebClient
from wormhole_server.web.pages.recent_days import DailyTallies
from wormhole_server.web.pages.service import PagesService
from wormhole_web.files import fingerprint

HTML = "Accept: text/html\r\n"
TODAY = 20_000


class PagesServiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a server at midnight."""
        self.clock = Clock()
        self.source = FakeSource()
        self.site = self.make()

    def make(
        self, *, status: bool = True, private: bool = False, client: WebClient | None = None
    ) -> PrivateSite:
        """Make a site with the pages."""
        self.pages = PagesService(
            self.clock,
            lambda: TODAY * DAY + self.clock.seconds(),
            self.source,
            None,
            private=private,
            status=status,
            client=client,
        )
        self.pages.startService()
        self.addCleanup(self.pages.stopService)
        return PrivateSite("Test", make_scheduler(self.clock), self.pages.root, 10.0)

    def test_private(self) -> None:
        """Of a private server only the page behind the prefix has commands; both link to the status."""
        site = self.make(private=True)
        prefixed = PrivateSite("Test", make_scheduler(self.clock), self.pages.prefixed_root, 10.0)
        for each, shown in ((site, False), (prefixed, True)):
            _, _, body = fetch(each, "/", headers="Accept: */*\r\n")
            self.assertEqual("--relay-url" in body, shown)
            self.assertIn("/status", body)

    def get(
        self, path: str = "/status", headers: str = "", days: DailyTallies | None = None
    ) -> str:
        """Return the page, once the database has answered."""
        connection = Connection(self.site)
        connection.get(path, headers=headers)
        if self.source.queries and not self.source.queries[-1].called:
            self.source.queries[-1].callback(days or {})
        status, _, body = split(connection.received())
        self.assertEqual(status, 200)
        return body

    def json(self, days: DailyTallies | None = None) -> Any:
        """Return what a program gets."""
        return json.loads(self.get("/status.json", days=days))

    def test_web_client(self) -> None:
        """A program can compare the files of the browser client with those of a release."""
        assets = {name: make_asset(name, name.encode()) for name in ("sw.js", "page.js")}
        self.site = self.make(client=WebClient(assets, "A server", None))
        self.assertEqual(self.json()["web_client"], fingerprint(hashes(assets)))

    def test_json(self) -> None:
        """A program gets the current connections, and the last hour, day and month."""
        self.source.counted = Tally({Mood.HAPPY: 2}, 1, 1000)
        self.clock.pump([30.0] * 3)
        self.source.counted += Tally({Mood.SCARY: 1}, 0, 5)
        found = self.json({TODAY - 1: Tally({Mood.LONELY: 7}, 3, 1 << 40)})
        self.assertEqual(found["version"], "1.2.3")
        self.assertEqual(found["uptime_seconds"], 90)
        self.assertEqual(found["time"], "2024-10-04T00:01:30+00:00")
        self.assertEqual(found["now"], {"clients": 12, "waiting": 3, "pairs": 4})
        last, this = found["minutes"]["steps"][-2:]
        self.assertEqual((last["exchanges"]["happy"], last["relay_bytes"]), (2, 1000))
        self.assertEqual((this["exchanges"]["scary"], this["relay_bytes"]), (1, 5))
        self.assertEqual(found["minutes"]["steps"][:-2], [None] * 58)
        self.assertEqual(found["hours"]["total"]["relay_sessions"], 1)
        self.assertEqual(found["days"]["total"]["exchanges"]["lonely"], 7)
        self.assertEqual(found["days"]["steps"][-2]["relay_bytes"], 1 << 40)

    def test_forms(self) -> None:
        """A browser gets HTML; a client that asks for JSON, or for anything, gets JSON."""
        for headers, kind in (
            (HTML, "text/html"),
            ("", "application/json"),
            ("Accept: application/json\r\n", "application/json"),
            ("Accept: */*\r\n", "application/json"),
        ):
            self.get(headers=headers)
            _, head, _ = fetch(self.site, "/status", headers=headers)
            self.assertIn(f"content-type: {kind}; charset=utf-8", head)
            self.assertIn("default-src 'none'", head)

    def test_html(self) -> None:
        """A browser shows the same figures, without a script and without another request."""
        self.source.counted = Tally({Mood.HAPPY: 3, Mood.SCARY: 1}, 2, 5 << 30)
        self.clock.advance(30.0)
        page = self.get(headers=HTML)
        outline = Outline(page)
        words = " ".join(" ".join(outline.words).split())
        for figure in (
            "12 clients connected",
            "4 exchanges ended, 75 % completed",
            "5.0 GiB",
            "30 seconds",
            "1.2.3",
        ):
            self.assertIn(figure, words.replace("\N{NO-BREAK SPACE}", " "))
        self.assertIn("before this process started", words)
        self.assertNotIn("instances", words)
        self.assertEqual(outline.tags & {"script", "img", "iframe", "object", "form"}, set())
        addresses = {each for each in outline.addresses if not each.startswith("data:")}
        self.assertEqual(addresses, {"/", "/status.json"})

    def test_several(self) -> None:
        """Where there may be other instances, the page says which figures include them."""
        self.source.several_instances = True
        page = self.get(headers=HTML)
        self.assertIn("of all instances", page)
        self.assertIn("by this process since it started", page)

    def test_kept(self) -> None:
        """Requests within five seconds get the same page."""
        first = self.get(headers=HTML)
        self.source.counted = Tally({Mood.HAPPY: 1})
        self.clock.advance(4.0)
        self.assertEqual(self.get(headers=HTML), first)
        self.clock.advance(2.0)
        self.assertNotEqual(self.get(headers=HTML), first)

    def test_no_database(self) -> None:
        """While the database does not answer, the page says what is missing."""
        connection = Connection(self.site)
        connection.get("/status", headers=HTML)
        self.assertEqual(connection.received(), b"")
        self.source.queries[0].errback(OperationalError("SELECT", {}, OSError("db.example.org")))
        status, _, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("not available at the moment", body)
        self.assertNotIn("db.example.org", body)
        self.clock.advance(10.0)
        connection = Connection(self.site)
        connection.get("/status.json")
        self.source.queries[1].errback(OperationalError("SELECT", {}, OSError()))
        self.assertIsNone(json.loads(split(connection.received())[2])["days"])

    def test_blurred(self) -> None:
        """No figure is finer than usage records are blurred to."""
        self.source.counted = Tally({}, 1, 123_456)
        for blur_seconds, expected in (
            (60.0, {"minutes", "hours"}),
            (3600.0, {"hours"}),
            (7200.0, set()),
        ):
            self.pages.blur_seconds = blur_seconds
            self.clock.advance(60.0)
            found = self.json()
            shown = {name for name in ("minutes", "hours") if found[name] is not None}
            self.assertEqual(shown, expected)
            if shown:
                self.assertEqual(found["hours"]["total"]["relay_bytes"], 130_000)
            self.assertIsNotNone(found["days"])

    def test_turned_off(self) -> None:
        """Without a status page there is neither a page nor a timer."""
        clock, self.clock = self.clock, Clock()
        site = self.make(status=False)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        for path in ("/status", "/status.json"):
            self.assertEqual(fetch(site, path)[0], 404)
        self.clock = clock

    def test_stop(self) -> None:
        """No timer is left when the service has stopped."""
        self.pages.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_under_way(self) -> None:
        """An exchange counts once it has ended; one is not called several."""
        self.source.counted = Tally({Mood.HAPPY: 1}, 1)
        words = " ".join(" ".join(Outline(self.get(headers=HTML)).words).split())
        self.assertIn("1 exchange ended, 100 % completed", words.replace("\N{NO-BREAK SPACE}", " "))
        self.assertIn("1 relay session ended", words)

    def test_sampled(self) -> None:
        """What is counted between two requests stands in the minute in which it happened."""
        self.clock.pump([6.0] * 15)
        self.source.counted = Tally({}, 5)
        self.clock.pump([6.0] * 15)
        steps = self.json()["minutes"]["steps"]
        self.assertEqual([step["relay_sessions"] for step in steps[-3:]], [5, 0, 0])

    def test_clock_set(self) -> None:
        """The uptime is measured with the steady clock."""
        self.pages._day = lambda: 0.0
        self.clock.advance(90.0)
        self.assertEqual(self.json()["uptime_seconds"], 90)
