"""Tests of `rendezvous.database`: the settings that the ledger's promises rest on."""

from __future__ import annotations

import sqlite3
import tempfile

import pytest
from sqlalchemy.exc import OperationalError
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.postgres import PostgresRunner
from rendezvous.ledger.sqlite import SqliteRunner
from rendezvous.rules.schema import metadata
from tests.databases import drop_postgres, new_postgres_url, sqlite_url
from tests.rendezvous.fakes import Reactor, Recorder
from tests.rendezvous.servers import open_test_runners
from tests.schedulers import make_scheduler


class SqliteTests(SynchronousTestCase):
    """A SQLite file."""

    def setUp(self) -> None:
        """Have a directory."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def test_durable(self) -> None:
        """Every connection writes ahead, and waits for the disk at each commit."""
        engine = open_engine(sqlite_url(self.directory))
        with engine.connect() as connection:
            for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
                found = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
                self.assertEqual(found, value)

    def test_ledger_never_sleeps(self) -> None:
        """The ledger's own connection does not wait for locks, and keeps the other settings."""
        engine = open_engine(sqlite_url(self.directory))
        metadata.create_all(engine)
        reactor = Reactor()
        ledger = Ledger(make_scheduler(reactor))
        (runner,) = open_test_runners(reactor, engine, Recorder())
        if not isinstance(runner, SqliteRunner):
            raise AssertionError(runner)
        ledger.open([runner])
        for pragma, value in (("busy_timeout", 0), ("synchronous", 2), ("journal_mode", "wal")):
            found = runner._connection.execute(f"PRAGMA {pragma}").fetchone()[0]
            self.assertEqual(found, value)
        reactor.result(ledger.close())

    def test_no_such_directory(self) -> None:
        """A file that cannot be opened is an error at once, before any client could be answered."""
        engine = open_engine(sqlite_url(self.directory + "/nowhere"))
        with self.assertRaises(sqlite3.Error):
            open_test_runners(Reactor(), engine, Recorder())


@pytest.mark.processes
class PostgresTests(SynchronousTestCase):
    """A PostgreSQL database."""

    def setUp(self) -> None:
        """Have an empty one."""
        self.url = new_postgres_url()
        self.addCleanup(drop_postgres, self.url)

    def test_settings(self) -> None:
        """Every connection reads what is committed, tells its name, and waits for the disk."""
        with open_engine(self.url).connect() as connection:
            for setting, value in (
                ("transaction_isolation", "read committed"),
                ("application_name", "wormhole-server"),
                ("synchronous_commit", "on"),
            ):
                found = connection.exec_driver_sql(f"SHOW {setting}").scalar()
                self.assertEqual(found, value)

    def test_encoding(self) -> None:
        """Texts are UTF-8, whatever the database is said to be in."""
        url = new_postgres_url("SQL_ASCII")
        self.addCleanup(drop_postgres, url)
        with open_engine(url).connect() as connection:
            found = connection.exec_driver_sql("SELECT %(text)s::text", {"text": "ä"}).scalar()
        self.assertEqual(found, "ä")

    def test_several_hosts(self) -> None:
        """Of several hosts in a URL the first is taken that answers and can write."""
        there = self.url.query["host"]
        hosts = ("127.0.0.1:1", there if isinstance(there, str) else there[0])
        query = {"host": hosts, "target_session_attrs": "read-write"}
        with open_engine(self.url.set(query=query)).connect() as connection:
            self.assertEqual(connection.exec_driver_sql("SELECT 1").scalar(), 1)
        with open_engine(self.url).connect() as connection:
            connection.exec_driver_sql(
                f"ALTER DATABASE {self.url.database} SET default_transaction_read_only = on"
            )
            connection.commit()
        with self.assertRaisesRegex(OperationalError, "read-only"):
            open_engine(self.url.set(query=query)).connect()

    def test_lanes(self) -> None:
        """There are as many lanes as asked for, which connect when they have something to do."""
        engine = open_engine(self.url)
        metadata.create_all(engine)
        reactor = Reactor()
        runners = open_test_runners(reactor, engine, Recorder(), lanes=3)
        self.assertEqual([type(runner) for runner in runners], [PostgresRunner] * 3)
        ledger = Ledger(make_scheduler(reactor))
        ledger.open(runners)
        reactor.result(ledger.close())
