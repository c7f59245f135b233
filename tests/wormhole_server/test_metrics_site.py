"""Tests of `wormhole_server.metrics_site`."""

from __future__ import annotations

import attrs
from prometheus_client import CollectorRegistry, Gauge
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.browser import Connection, fetch, split
from wormhole_server.metrics_site import LiveCounts, metrics_site


@attrs.frozen
class Counts:
    """What a database would say."""

    nameplates: int = 1
    mailboxes: int = 2


class MetricsSiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A site whose database the test plays."""
        self.clock = Clock()
        self.questions: list[Deferred[LiveCounts]] = []
        self.registry = CollectorRegistry()
        self.gauge = Gauge("mailboxes", "Mailboxes.", registry=self.registry)
        self.site = metrics_site(self.clock, self.registry, count=self.count, show=self.show)

    def count(self) -> Deferred[LiveCounts]:
        """One more question to the database."""
        self.questions.append(Deferred())
        return self.questions[-1]

    def show(self, counts: LiveCounts | None) -> None:
        """Put the counts where they are read."""
        self.gauge.set(-1 if counts is None else counts.mailboxes)

    def scrape(self) -> Connection:
        """A request whose answer may take its time."""
        connection = Connection(self.site)
        connection.get("/metrics")
        return connection

    def test_page(self) -> None:
        """The page is in Prometheus's text format, with what the database says now."""
        connection = self.scrape()
        self.assertEqual(connection.received(), b"")
        self.questions[0].callback(Counts())
        status, head, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("content-type: text/plain; version=0.0.4; charset=utf-8", head)
        self.assertEqual(
            body, "# HELP mailboxes Mailboxes.\n# TYPE mailboxes gauge\nmailboxes 2.0\n"
        )

    def test_fresh(self) -> None:
        """The database is asked once in ten seconds, however many scrape."""
        self.scrape()
        self.questions[0].callback(Counts())
        self.clock.advance(9.9)
        self.assertIn(b"mailboxes 2.0", self.scrape().received())
        self.assertEqual(len(self.questions), 1)
        self.clock.advance(0.1)
        connection = self.scrape()
        self.questions[1].callback(Counts(mailboxes=3))
        self.assertIn(b"mailboxes 3.0", connection.received())

    def test_slow_database(self) -> None:
        """A database that does not answer within two seconds holds up nothing but its own counts."""
        connection = self.scrape()
        self.clock.advance(2)
        status, _, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("mailboxes -1.0", body)

    def test_broken_database(self) -> None:
        """A database that fails is asked again by the next scrape."""
        connection = self.scrape()
        self.questions[0].errback(OSError())
        self.assertIn(b"mailboxes -1.0", connection.received())
        connection.get("/metrics")
        self.questions[1].callback(Counts())
        self.assertIn(b"mailboxes 2.0", connection.received())

    def test_gone(self) -> None:
        """A scraper that does not wait for its answer does no harm."""
        connection = self.scrape()
        connection.leave()
        self.questions[0].callback(Counts())
        self.assertEqual(connection.received(), b"")

    def test_broken_page(self) -> None:
        """A page that cannot be made is a server's error, and logged."""
        self.gauge.set_function(lambda: 1 / 0)
        connection = self.scrape()
        self.questions[0].callback(Counts())
        self.assertEqual(split(connection.received())[0], 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_rest(self) -> None:
        """The root says where to look; there is nothing else, and nothing to post."""
        self.assertIn("/metrics", fetch(self.site, "/")[2])
        self.assertEqual(fetch(self.site, "/v1")[0], 404)
        self.assertEqual(fetch(self.site, "/metrics", "POST")[0], 405)
