"""Tests of `rendezvous.server`: what concerns no single client."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from rendezvous import requests, schema
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger import Ledger
from rendezvous.moods import Mood
from rendezvous.requests import RecordClient
from rendezvous.server import Limits, LiveCounts, Rendezvous, Welcome
from rendezvous.sweeper import Lifetimes
from rendezvous.usage import Usage
from tests.rendezvous.fakes import Recorder, StoreRunner
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase


class ServerRules(StoreCase):
    """Counts, health, records, what follows from a result."""

    __test__ = False

    def setUp(self) -> None:
        """Bring up a server."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        self.runner = StoreRunner(self.store)
        self.ledger = Ledger(self.clock)
        self.ledger.open([self.runner])
        self.server = Rendezvous(self.clock, self.ledger, self.observer)

    def do(self, *some: requests.Request) -> None:
        """Carry requests out, and what follows from them."""
        for request in some:
            done = self.server.perform(request, 0)
            self.clock.advance(0)
            self.server.performed(request, self.successResultOf(done))

    def test_live_counts(self) -> None:
        """Nameplates and mailboxes are counted as they stand in the database."""
        self.do(
            requests.ClaimNameplate("app", "a", "7"),
            requests.ClaimNameplate("app", "a", "8"),
            requests.ReleaseNameplate("app", "a", "8"),
            requests.OpenMailbox("app", "a", "box"),
        )
        counted = self.server.live_counts()
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(counted), LiveCounts(1, 3))

    def test_check_database(self) -> None:
        """The check passes when the database answers, and fails when it does not."""
        asked = self.server.check_database()
        self.clock.advance(0)
        self.successResultOf(asked)
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        asked = self.server.check_database()
        self.clock.advance(0)
        self.failureResultOf(asked, LedgerUnavailable)
        self.successResultOf(self.close())
        self.failureResultOf(self.server.check_database(), LedgerUnavailable)

    def close(self) -> Deferred[None]:
        """Close the ledger."""
        closed = self.ledger.close()
        self.clock.advance(0)
        return closed

    def test_record_client(self) -> None:
        """Which program bound is recorded, and nobody waits for it."""
        self.server.record_client(RecordClient("app", "python", "1.0"), 0)
        self.clock.advance(0)
        self.assertEqual(
            self.store.rows(schema.client_usage, "implementation", "version"), [("python", "1.0")]
        )

    def test_record_that_fails(self) -> None:
        """A record that cannot be written is no client's problem; only what nobody foresaw is logged."""
        for failure, logged in ((LedgerUnavailable(), 0), (ZeroDivisionError(), 1)):
            self.runner.failure, self.runner.failures = failure, 1
            self.server.record_client(RecordClient("app", "python", "1.0"), 0)
            self.clock.advance(0)
            self.assertEqual(len(self.flushLoggedErrors()), logged)
        self.assertEqual(self.observer.counts["internal_error"], 1)

    def test_retired(self) -> None:
        """What has gone is counted by how it ended."""
        self.do(
            requests.ClaimNameplate("app", "a", "7"),
            requests.ReleaseNameplate("app", "a", "7"),
            requests.OpenMailbox("app", "a", "box"),
            requests.CloseMailbox("app", "a", "box", "scary"),
        )
        self.assertEqual(self.observer.nameplates, [Mood.LONELY])
        self.assertEqual(self.observer.mailboxes, [Mood.SCARY])

    def test_lanes(self) -> None:
        """Connections are spread over the lanes."""
        lanes = {self.server.new_lane() % 2 for _ in range(4)}
        self.assertEqual(lanes, {0, 1})

    def change(self, **values: Any) -> None:
        """Have the server go on with these values, and the defaults for all others."""
        defaults = {
            "welcome": Welcome(),
            "limits": Limits(),
            "lifetimes": Lifetimes(),
            "usage": Usage(),
            "list_allowed": True,
        }
        self.server.change(**{**defaults, **values})

    def test_list_disallowed_meanwhile(self) -> None:
        """The list is empty from the moment on that it is not allowed, and back when it is again."""
        self.do(requests.ClaimNameplate("app", "a", "7"))
        for allowed, listed in ((False, []), (True, ["7"])):
            self.change(list_allowed=allowed)
            done = self.server.perform(requests.ListNameplates("app"), 0)
            self.clock.advance(0)
            self.assertEqual(self.successResultOf(done), requests.Nameplates(listed))

    def test_blurred_meanwhile(self) -> None:
        """Usage records are blurred from the moment on that they are to be."""
        self.clock.advance(1234.5)
        self.change(usage=Usage(1000.0))
        self.server.record_client(RecordClient("app", "python", "1.0"), 0)
        self.do(requests.ClaimNameplate("app", "a", "7"))
        self.do(requests.ReleaseNameplate("app", "a", "7"))
        for table in (schema.client_usage, schema.nameplate_usage):
            self.assertEqual(self.store.rows(table, "started"), [1000.0])

    def test_pings_meanwhile(self) -> None:
        """Pings follow the limits."""
        self.server.start()
        before = len(self.clock.getDelayedCalls())
        self.change(limits=Limits(ping_seconds=0.0))
        self.assertEqual(len(self.clock.getDelayedCalls()), before - 1)
        self.server.stop()

    def test_start_and_stop(self) -> None:
        """After the stop no timer is left."""
        self.server.start()
        self.clock.pump([1.0] * 200)
        self.server.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ServerOnSqlite(OnSqlite, ServerRules):
    """On SQLite."""


class ServerOnPostgres(OnPostgres, ServerRules):
    """On PostgreSQL."""
