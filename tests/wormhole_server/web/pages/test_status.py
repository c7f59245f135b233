"""Tests of `wormhole_server.web.pages.status`."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.schedulers import make_scheduler
from tests.wormhole_server.browser import Connection, fetch, split
from tests.wormhole_server.web.pages.support import SNAPSHOT
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.pages.snapshot import StatusSnapshot
from wormhole_server.web.pages.status import Status, status_documents


class StatusTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a site with both paths, whose snapshots the test takes."""
        self.clock = Clock()
        self.snapshots: list[Deferred[StatusSnapshot]] = []
        documents = status_documents(self.clock, self.take_snapshot)
        root = Status(documents, only_json=False)
        root.getChild = lambda path, request: Status(documents, only_json=path == b"json")  # type: ignore[method-assign]
        self.site = PrivateSite("Test", make_scheduler(self.clock), root, 60.0)

    def take_snapshot(self) -> Deferred[StatusSnapshot]:
        self.snapshots.append(Deferred())
        return self.snapshots[-1]

    def test_forms(self) -> None:
        """Clients get the form that they accept, from one snapshot; /status.json is JSON for all."""
        connection = Connection(self.site)
        connection.get("/")
        self.assertEqual(connection.received(), b"")
        self.snapshots[0].callback(SNAPSHOT)
        status, head, body = split(connection.received())
        self.assertEqual(status, 200)
        self.assertIn("content-type: application/json; charset=utf-8", head)
        self.assertIn("vary: accept", head)
        self.assertEqual(json.loads(body)["version"], "1.2.3")
        accept = "Accept: text/html\r\n"
        _, head, body = fetch(self.site, "/", headers=accept)
        self.assertIn("content-type: text/html; charset=utf-8", head)
        self.assertIn("<title>Status of a Magic Wormhole server</title>", body)
        _, head, body = fetch(self.site, "/json", headers=accept)
        self.assertIn("content-type: application/json; charset=utf-8", head)
        self.assertNotIn("vary", head)
        self.assertEqual(len(self.snapshots), 1)

    def test_fresh(self) -> None:
        """A snapshot is shown for five seconds."""
        for seconds, snapshots in ((0.0, 1), (4.9, 1), (0.1, 2)):
            self.clock.advance(seconds)
            Connection(self.site).get("/")
            self.assertEqual(len(self.snapshots), snapshots)
            if not self.snapshots[-1].called:
                self.snapshots[-1].callback(SNAPSHOT)

    def test_failure(self) -> None:
        """A snapshot that fails is a status 500 for all, logged once, and taken again afterwards."""
        connection, other = Connection(self.site), Connection(self.site)
        connection.get("/")
        other.get("/")
        self.snapshots[0].errback(ZeroDivisionError())
        for each in (connection, other):
            self.assertEqual(split(each.received())[0], 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        connection.get("/")
        self.assertEqual(len(self.snapshots), 2)

    def test_timeout(self) -> None:
        """A snapshot that takes longer than ten seconds is a status 500."""
        connection = Connection(self.site)
        connection.get("/")
        self.clock.advance(10.0)
        self.assertEqual(split(connection.received())[0], 500)
        self.assertEqual(len(self.flushLoggedErrors()), 1)
