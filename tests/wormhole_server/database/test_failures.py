"""Tests of `wormhole_server.database.failures`."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill
from wormhole_server.database.failures import database_failure, describe_failure, failures_reported
from wormhole_server.database.migrate import migrate
from wormhole_server.errors import DatabaseUnavailableError, StartError


class FailureTests(DatabaseCase):
    def said(self, url: URL) -> str:
        """Return why a database cannot be migrated."""
        return str(self.assertRaises(StartError, migrate, open_engine(url)))

    @pytest.mark.processes
    def test_postgres(self) -> None:
        """A PostgreSQL that answers is not reported as unreachable; the fix is named."""
        url = self.postgres()
        role = f"{url.database}_role"
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        self.addCleanup(self.drop, engine, role)
        said = self.said(url.set(username=role))
        self.assertIn("permission denied", said)
        self.assertIn("OWNER TO", said)
        self.assertNotIn("answer", said)
        said = self.said(url.set(database="nowhere"))
        self.assertIn("createdb", said)
        self.assertNotIn("answer", said)

    def drop(self, engine: Engine, role: str) -> None:
        """Drop a role, which belongs to no database."""
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP ROLE {role}")
        engine.dispose()

    def test_password(self) -> None:
        """A wrong password is reported as such, without what the driver says of other addresses."""
        said = describe_failure(
            sa.make_url("postgresql+psycopg://me@db/wormhole"),
            OperationalError(
                "SELECT",
                {},
                OSError('FATAL:  password authentication failed for user "me"\nsecond address'),
            ),
        )
        self.assertIn("check the user and the password", said)
        self.assertNotIn("second", said)

    def test_unavailable(self) -> None:
        """What may be over soon is told from what has to be fixed, however it is worded."""
        url = sa.make_url("postgresql+psycopg://me:secret@db/wormhole")
        at = 'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
        for why, soon in (
            (f"{at}Connection refused", True),
            (f"{at}FATAL:  the database system is starting up", True),
            (f"{at}FATAL:  das Datenbanksystem startet", True),
            (f"{at}FATAL:  sorry, too many clients already", True),
            ("[Errno -2] Name or service not known", True),
            ("connection timeout expired", True),
            (f'{at}FATAL:  password authentication failed for user "me"', False),
            (f'{at}FATAL:  role "me" does not exist', False),
            (f'{at}FATAL:  database "wormhole" does not exist', False),
            (f'{at}FATAL:  no pg_hba.conf entry for host "10.0.0.2"', False),
        ):
            failure = database_failure(url, psycopg.OperationalError(why))
            self.assertEqual((why, isinstance(failure, DatabaseUnavailableError)), (why, soon))
            self.assertNotIn("secret", str(failure))
        shutdown = psycopg.errors.AdminShutdown("terminating connection")
        self.assertIsInstance(database_failure(url, shutdown), DatabaseUnavailableError)
        for error in (psycopg.errors.UndefinedTable("no such table"), OSError("odd")):
            self.assertNotIsInstance(database_failure(url, error), DatabaseUnavailableError)
        locked = OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))
        failure = database_failure(self.sqlite(), locked)
        self.assertNotIsInstance(failure, DatabaseUnavailableError)

    def test_damaged(self) -> None:
        """A truncated file is reported as damaged, not as a matter of permissions."""
        fill(self.sqlite())
        path = self.directory / "server.db"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        said = self.said(self.sqlite())
        self.assertIn("is damaged", said)
        self.assertIn("restore a backup", said)

    def test_no_directory(self) -> None:
        """A directory that does not exist is named, with the advice to create it."""
        said = self.said(self.sqlite("nowhere/server.db"))
        self.assertIn(
            f"there is no directory {self.directory / 'nowhere'}; create the directory", said
        )

    def test_locked(self) -> None:
        """A locked file, a full disk and a file of another kind each have their own advice."""
        for said, advice in (
            ("database is locked", "stop that program first"),
            ("database or disk is full", "free some space"),
            ("file is not a database", "not a SQLite database"),
            ("unable to open database file", "may write to the file and its directory"),
        ):
            error = OperationalError("SELECT", {}, OSError(said))
            self.assertIn(advice, describe_failure(self.sqlite(), error))

    def test_reported(self) -> None:
        """The operator reads which database it is, without its password and without the statement."""
        url = sa.make_url("postgresql+psycopg://me:secret@db/wormhole")
        with self.assertRaises(StartError) as caught, failures_reported(url):
            raise OperationalError("SELECT body", {"body": "secret"}, OSError("no route to host"))
        said = str(caught.exception)
        self.assertRegex(said, "^database: postgresql.*does not answer: no route to host;")
        self.assertNotIn("secret", said)
        self.assertNotIn("SELECT", said)
