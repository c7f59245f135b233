"""Tests of `wormhole_server.service.rendezvous`."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import Any

import attrs
import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import event
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from tests.schedulers import make_scheduler
from tests.wormhole_server.databases import DatabaseCase
from tests.wormhole_server.files import new_path
from tests.wormhole_server.reactors import FakeReactor
from wormhole_limits.bounds import BoundObserver
from wormhole_limits.recent_addresses import RecentAddresses
from wormhole_server.config.database_url import DatabaseUrl
from wormhole_server.config.durations import Seconds
from wormhole_server.config.settings import Settings
from wormhole_server.config.websocket_options import parse_protocol_option
from wormhole_server.errors import StartError
from wormhole_server.metrics.rendezvous import RendezvousMetrics
from wormhole_server.service.rendezvous import RendezvousService


class RendezvousServiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A path without a database."""
        self.reported: list[str] = []
        self.path = new_path(self, "server.db")
        self.settings = attrs.evolve(Settings(), database=DatabaseUrl(f"sqlite:///{self.path}"))

    def make(self) -> RendezvousService:
        """A service on that path."""
        self.reactor = FakeReactor()
        reactor: Any = self.reactor
        metrics = RendezvousMetrics(CollectorRegistry())
        return RendezvousService(
            reactor,
            lambda: 1_000_000.0,
            make_scheduler(reactor),
            self.settings,
            metrics,
            RecentAddresses(reactor.seconds, BoundObserver()),
            lambda _: None,
            lambda sentence, _: self.reported.append(sentence),
        )

    def stop(self, service: RendezvousService) -> None:
        """Stop it, and wait for the thread that closes the database."""
        stopped = service.stopService()
        self.reactor.run_until(lambda: stopped.called)
        self.successResultOf(stopped)

    def test_made(self) -> None:
        """Nothing is made before the start; then the tables, once."""
        service = self.make()
        self.assertFalse(self.path.exists())
        service.startService()
        self.assertIn("created the tables", service.migrated or "")
        self.stop(service)
        service = self.make()
        service.startService()
        self.assertIsNone(service.migrated)
        self.stop(service)

    def test_closed(self) -> None:
        """After the stop the database is one closed file, and no timer is left."""
        service = self.make()
        service.startService()
        self.assertTrue(service.server.running)
        self.assertTrue(self.reactor.getDelayedCalls())
        self.stop(service)
        self.assertFalse(service.server.running)
        self.assertEqual([each.name for each in self.path.parent.iterdir()], ["server.db"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_newer_database(self) -> None:
        """A database of a later version is an error, and can be stopped all the same."""
        service = self.make()
        service.startService()
        self.stop(service)
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        service = self.make()
        self.failureResultOf(service.startService(), StartError)
        self.assertFalse(service.server.running)
        self.stop(service)

    def test_change(self) -> None:
        """Clients that connect later are welcomed with the new settings."""
        service = self.make()
        service.change(attrs.evolve(self.settings, motd="new"))
        self.assertEqual(service.server.welcome.motd, "new")

    def test_change_refused(self) -> None:
        """A value that the WebSockets refuse changes nothing."""
        service = self.make()
        bad = attrs.evolve(parse_protocol_option("autoPingSize=20"), value=-1)
        with self.assertRaises(Exception):  # noqa: B017 - Autobahn raises an Exception
            service.change(
                attrs.evolve(self.settings, motd="new", websocket_protocol_option=(bad,))
            )
        self.assertIsNone(service.server.welcome.motd)

    def test_one_instance(self) -> None:
        """No other instance can use an SQLite database."""
        self.assertFalse(self.make().shared)


@pytest.mark.processes
class WaitingTests(DatabaseCase):
    """The start on a PostgreSQL that is not there at first."""

    def setUp(self) -> None:
        """A service whose connections are refused."""
        super().setUp()
        self.reported: list[str] = []
        self.reactor = FakeReactor()
        self.service = self.make(Seconds(60))
        self.refuse()

    def make(self, wait: Seconds) -> RendezvousService:
        """A service that waits so long."""
        url = DatabaseUrl(self.postgres().render_as_string(hide_password=False))
        settings = attrs.evolve(Settings(), database=url, database_wait=wait)
        reactor: Any = self.reactor
        metrics = RendezvousMetrics(CollectorRegistry())
        return RendezvousService(
            reactor,
            lambda: 1e6,
            make_scheduler(reactor),
            settings,
            metrics,
            RecentAddresses(reactor.seconds, BoundObserver()),
            lambda _: None,
            lambda sentence, _: self.reported.append(sentence),
        )

    def refuse(self, why: str = "connection refused") -> None:
        """Refuse connections until `accept`."""
        self.why = why
        event.listen(self.service.engine, "do_connect", self.connect)
        self.addCleanup(self.stop, self.service)

    def connect(self, *_: object) -> None:
        """Refuse a connection, if they are refused."""
        if self.why:
            raise psycopg.OperationalError(self.why)

    def stop(self, service: RendezvousService) -> None:
        """Stop it; it leaves no timer behind."""
        stopped = service.stopService()
        self.reactor.run_until(lambda: stopped.called)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_waits(self) -> None:
        """The start waits for the database, says so once for each reason, and then is ready."""
        started = self.service.startService()
        for why in ("connection refused", "connection refused", "FATAL:  it is starting up"):
            self.why = why
            self.fail_once_more()
        self.assertNoResult(started)
        self.assertEqual(len(self.reported), 2)
        self.assertRegex(self.reported[0], "^Not ready, waiting up to 60 s: .*connection refused")
        self.assertRegex(self.reported[1], "^Not ready, waiting up to 57 s: .*it is starting up")
        self.why = ""
        self.reactor.advance(1.0)
        self.reactor.run_until(lambda: self.service.ledger.backlog().lanes > 0)
        self.assertNoResult(started)
        # Not before announcements arrive: a probe would be told that the server is not ready.
        self.reactor.run_until(lambda: not self.service.server.announcements.interrupted)
        self.reactor.advance(1.0)
        self.reactor.run_until(lambda: started.called)
        self.successResultOf(started)
        checked = self.service.server.check_database()
        self.reactor.run_until(lambda: checked.called)
        self.successResultOf(checked)
        self.assertIn("created the tables", self.service.migrated or "")
        self.assertEqual(len(self.reported), 2)

    def fail_once_more(self) -> None:
        """Let the next attempt fail, and wait until there is a time for the one after it."""
        self.reactor.advance(1.0)
        self.reactor.run_until(self.is_attempt_due)

    def is_attempt_due(self) -> bool:
        """Whether there is an attempt within a second."""
        soon = self.reactor.seconds() + 1.0
        return any(call.getTime() <= soon for call in self.reactor.getDelayedCalls())

    def test_bounded(self) -> None:
        """After the time of the setting the start fails with the last reason."""
        self.service = self.make(Seconds(2))
        self.refuse()
        started = self.service.startService()
        self.fail_once_more()
        self.assertNoResult(started)
        self.reactor.advance(1.0)
        self.reactor.run_until(lambda: started.called)
        failure = self.failureResultOf(started, StartError)
        self.assertIn("connection refused", failure.getErrorMessage())

    def test_no_wait(self) -> None:
        """With 0 the start fails at the first attempt."""
        self.service = self.make(Seconds(0))
        self.refuse()
        self.failureResultOf(self.service.startService(), StartError)
        self.assertEqual(self.reported, [])

    def test_answers_late(self) -> None:
        """An attempt that hangs does not keep the start from ending."""
        hanging = threading.Event()
        self.addCleanup(hanging.set)
        started = self.service.startService()
        self.why = ""
        event.listen(self.service.engine, "do_connect", lambda *_: hanging.wait() and None)
        self.reactor.advance(1.0)
        self.assertNoResult(started)
        self.reactor.advance(60.0)
        self.failureResultOf(started, StartError)

    def test_refused_for_good(self) -> None:
        """What waiting cannot help ends the start at once, also after a wait."""
        why = 'FATAL:  password authentication failed for user "me"'
        started = self.service.startService()
        self.assertNoResult(started)
        self.why = why
        self.reactor.advance(1.0)
        self.reactor.run_until(lambda: started.called)
        failure = self.failureResultOf(started, StartError)
        self.assertIn("check the user and the password", failure.getErrorMessage())
        self.service = self.make(Seconds(60))
        self.refuse(why)
        self.failureResultOf(self.service.startService(), StartError)

    def test_stopped(self) -> None:
        """A stop ends the wait."""
        started = self.service.startService()
        self.fail_once_more()
        started.cancel()
        self.failureResultOf(started, CancelledError)
