"""Tests of `wormhole_server.web.metrics_page`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.server import LiveCounts
from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch, split
from wormhole_server.web.metrics_page import metrics_site


class MetricsSiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a site with a database that the test stands for."""
        self.clock = Clock()
        self.queries: list[Deferred[LiveCounts]] = []
        self.registry = CollectorRegistry()
        self.gauge = Gauge("mailboxes", "Mailboxes.", registry=self.registry)
        self.site = metrics_site(
            make_scheduler(self.clock), self.registry, count=self.count, show=self.show
        )

    def count(self) -> Deferred[LiveCounts]:
        """Note a query."""
        self.queries.append(Deferred())
        return self.queries[-1]

    def show(self, counts: LiveCounts | None) -> None:
        """Show the counts in a gauge."""
        self.gauge.set(-1 if counts is None else counts.mailboxes)

    def scrape(self) -> Connection:
        """Send a request."""
        connection = Connection(self.site)
        connection.get("/metrics")
        return connection

    def test_page(self) -> None:
        """The page is in Prometheus's text format, with what the database says now."""
        connection = self.scrape()
        self.assertEqual(connection.received(), b"")
        self.queries[0].callback(LiveCounts(1, 2))
        status, head, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("content-type: text/plain; version=0.0.4; charset=utf-8", head)
        self.assertIn("cache-control: no-store", head)
        self.assertIn("x-content-type-options: nosniff", head)
        self.assertEqual(
            body, "# HELP mailboxes Mailboxes.\n# TYPE mailboxes gauge\nmailboxes 2.0\n"
        )

    def ask(self, host: str, address: str) -> int:
        """Ask for the page under a name, on an address of this machine; return the status."""
        connection = Connection(self.site)
        connection.transport.hostAddr = IPv4Address("TCP", address, 9400)
        connection.send(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        self.clock.advance(2)
        return split(connection.received())[0]

    def test_host(self) -> None:
        """On the loopback interface a name that a web site could have is refused; not elsewhere."""
        for host in (
            "localhost:9400",
            "127.0.0.1:9400",
            "[::1]:9400",
            "server:9400",
            "a.localhost",
        ):
            self.assertEqual(self.ask(host, "127.0.0.1"), 200, host)
        for host in ("rebound.example", "127.0.0.1.example:9400", "example."):
            self.assertEqual(self.ask(host, "127.0.0.1"), 403, host)
        self.assertEqual(self.ask("metrics.example:9400", "192.0.2.1"), 200)

    def test_fresh(self) -> None:
        """The database is asked once in ten seconds, however many scrape."""
        self.scrape()
        self.queries[0].callback(LiveCounts(1, 2))
        self.clock.advance(9.9)
        self.assertIn(b"mailboxes 2.0", self.scrape().received())
        self.assertEqual(len(self.queries), 1)
        self.clock.advance(0.1)
        connection = self.scrape()
        self.queries[1].callback(LiveCounts(1, 3))
        self.assertIn(b"mailboxes 3.0", connection.received())

    def test_slow_database(self) -> None:
        """A database that does not answer within two seconds delays nothing but its own counts."""
        connection = self.scrape()
        self.clock.advance(2)
        status, _, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("mailboxes -1.0", body)

    def test_broken_database(self) -> None:
        """A database that fails is asked again by the next scrape."""
        connection = self.scrape()
        self.queries[0].errback(OSError())
        self.assertIn(b"mailboxes -1.0", connection.received())
        connection.get("/metrics")
        self.queries[1].callback(LiveCounts(1, 2))
        self.assertIn(b"mailboxes 2.0", connection.received())

    def test_gone(self) -> None:
        """A client that leaves before the response does no harm."""
        connection = self.scrape()
        connection.leave()
        self.queries[0].callback(LiveCounts(1, 2))
        self.assertEqual(connection.received(), b"")

    def test_broken_page(self) -> None:
        """A page that fails is a status 500, and logged."""
        self.gauge.set_function(lambda: 1 / 0)
        connection = self.scrape()
        self.queries[0].callback(LiveCounts(1, 2))
        self.assertEqual(split(connection.received())[0], 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_rest(self) -> None:
        """The root says where to look; there is nothing else, and nothing to post."""
        self.assertIn("/metrics", fetch(self.site, "/")[2])
        self.assertEqual(fetch(self.site, "/v1")[0], 404)
        self.assertEqual(fetch(self.site, "/metrics", "POST")[0], 405)
