"""Tests of `wormhole_server.pages.site`, `status`, `status_view` and `snapshot`: what is at /status."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.moods import Mood
from rendezvous.server import Welcome
from tests.wormhole_server.browser import Connection, fetch, split
from tests.wormhole_server.pages.test_home import Outline
from wormhole_server.http import PrivateSite
from wormhole_server.pages.days import Days
from wormhole_server.pages.site import Pages, Sources
from wormhole_server.pages.snapshot import Now
from wormhole_server.pages.tally import DAY, Tally
from wormhole_server.reach import Reach

HTML = "Accept: text/html\r\n"
TODAY = 20_000


class StatusTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A server that has just begun, at midnight."""
        self.clock = Clock()
        self.counted = Tally()
        self.asked: list[Deferred[Days]] = []
        self.site = self.make()

    def make(self, *, status: bool = True, several: bool = False) -> PrivateSite:
        """A site with the pages."""
        self.pages = Pages(
            self.clock,
            lambda: TODAY * DAY + self.clock.seconds(),
            Sources(
                version="1.2.3",
                reach=lambda host, secure: Reach(None, None),
                words=Welcome,
                came_securely=lambda request: False,
                now=lambda: Now(12, 3, 4),
                counted=lambda: self.counted,
                read_days=self.read_days,
                several=several,
            ),
            status=status,
        )
        self.pages.start()
        self.addCleanup(self.pages.stop)
        return PrivateSite("Test", self.clock, self.pages.root, 10.0)

    def read_days(self, first: int) -> Deferred[Days]:
        """One more question to the database."""
        self.asked.append(Deferred())
        return self.asked[-1]

    def get(self, path: str = "/status", headers: str = "", days: Days | None = None) -> str:
        """The page, once the database has answered."""
        connection = Connection(self.site)
        connection.get(path, headers=headers)
        if self.asked and not self.asked[-1].called:
            self.asked[-1].callback(days or {})
        status, _, body = split(connection.received())
        self.assertEqual(status, 200)
        return body

    def json(self, days: Days | None = None) -> Any:
        """What a program gets."""
        return json.loads(self.get("/status.json", days=days))

    def test_json(self) -> None:
        """A program gets who is here, and what happened in an hour, a day and a month."""
        self.counted = Tally({Mood.HAPPY: 2}, 1, 1000)
        self.clock.pump([30.0] * 3)
        self.counted += Tally({Mood.SCARY: 1}, 0, 5)
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
        """A browser gets HTML; who has no wish, or asks for JSON, gets that."""
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
        """A person reads the same figures, without a script and without another request."""
        self.counted = Tally({Mood.HAPPY: 3, Mood.SCARY: 1}, 2, 5 << 30)
        self.clock.advance(30.0)
        page = self.get(headers=HTML)
        outline = Outline(page)
        words = " ".join(" ".join(outline.words).split())
        for figure in ("12 clients connected", "4 exchanges", "5.0 GiB", "30 seconds", "1.2.3"):
            self.assertIn(figure, words.replace("\N{NO-BREAK SPACE}", " "))
        self.assertIn("before this process began", words)
        self.assertNotIn("all instances", words)
        self.assertEqual(outline.tags & {"script", "img", "iframe", "object", "form"}, set())
        addresses = {each for each in outline.addresses if not each.startswith("data:")}
        self.assertEqual(addresses, {"/", "/status.json"})

    def test_several(self) -> None:
        """Where there may be other instances, it is said which figures are theirs too."""
        self.site = self.make(several=True)
        page = self.get(headers=HTML)
        self.assertIn("over all instances", page)
        self.assertIn("by this process since it began", page)

    def test_kept(self) -> None:
        """Whoever asks again within seconds gets the page that was made before."""
        first = self.get(headers=HTML)
        self.counted = Tally({Mood.HAPPY: 1})
        self.clock.advance(4.0)
        self.assertEqual(self.get(headers=HTML), first)
        self.clock.advance(2.0)
        self.assertNotEqual(self.get(headers=HTML), first)

    def test_database_away(self) -> None:
        """Without the database the page is there, and says what is missing."""
        connection = Connection(self.site)
        connection.get("/status", headers=HTML)
        self.assertEqual(connection.received(), b"")
        self.asked[0].errback(OperationalError("SELECT", {}, OSError("db.example.org")))
        status, _, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("not to be had at the moment", body)
        self.assertNotIn("db.example.org", body)
        self.clock.advance(10.0)
        connection = Connection(self.site)
        connection.get("/status.json")
        self.asked[1].errback(OperationalError("SELECT", {}, OSError()))
        self.assertIsNone(json.loads(split(connection.received())[2])["days"])

    def test_blurred(self) -> None:
        """Nothing is shown that is finer than usage records are blurred to."""
        self.counted = Tally({}, 1, 123_456)
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
        """Without a status page there is none, and nothing is counted for it."""
        clock, self.clock = self.clock, Clock()
        site = self.make(status=False)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        for path in ("/status", "/status.json"):
            self.assertEqual(fetch(site, path)[0], 404)
        self.clock = clock

    def test_stop(self) -> None:
        """No timer is left behind."""
        self.pages.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
