"""Tests of `wormhole_server.database.locking`."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill, rows, wait_for_no_lock
from wormhole_server.database.locking import exclusive_transaction, lock_for_migration
from wormhole_server.errors import StartError

DELETE = "DELETE FROM client_usage"


class MigrationLockTests(DatabaseCase):
    @pytest.mark.processes
    def test_one_at_a_time(self) -> None:
        """A second lock waits for the end of the transaction that has the first."""
        for url in (self.sqlite(), self.postgres()):
            engine = open_engine(url)
            sa.event.listen(engine, "connect", wait_for_no_lock)
            with engine.connect() as first, engine.connect() as second:
                lock_for_migration(first)
                self.assertRaises(OperationalError, lock_for_migration, second)
                second.rollback()
                first.rollback()
                lock_for_migration(second)
            engine.dispose()


class ExclusiveTransactionTests(DatabaseCase):
    @pytest.mark.processes
    def test_committed(self) -> None:
        """The transaction is committed at its end, unless something is raised."""
        for url in (self.sqlite(), self.postgres()):
            fill(url)
            before = rows(url)
            with (
                self.assertRaises(ZeroDivisionError),
                exclusive_transaction(open_engine(url)) as connection,
            ):
                connection.exec_driver_sql(DELETE)
                raise ZeroDivisionError
            self.assertEqual(rows(url), before)
            with exclusive_transaction(open_engine(url)) as connection:
                connection.exec_driver_sql(DELETE)
            self.assertEqual(rows(url), before | {"client_usage": []})

    @pytest.mark.processes
    def test_in_use(self) -> None:
        """A database to which another program is connected is refused, idle as the connection may be."""
        for url in (self.sqlite(), self.postgres()):
            fill(url)
            with open_engine(url).connect() as other:
                other.exec_driver_sql("SELECT 1 FROM mailboxes")
                other.rollback()
                with (
                    self.assertRaises(StartError) as caught,
                    exclusive_transaction(open_engine(url)),
                ):
                    self.fail("another program is connected")
            self.assertRegex(
                str(caught.exception), r"is in use by|connected to .*wormhole-server \(1\)"
            )

    @pytest.mark.processes
    def test_about_to_leave(self) -> None:
        """A connection that PostgreSQL still lists, as it does for a moment after its end, is waited for."""
        url = self.postgres()
        fill(url)
        other = open_engine(url)
        connection = other.connect()

        def leave(_seconds: float) -> None:
            connection.close()
            other.dispose()

        self.patch(time, "sleep", leave)
        with exclusive_transaction(open_engine(url)) as alone:
            alone.exec_driver_sql(DELETE)

    def test_keeps_others_out(self) -> None:
        """Nobody else can open a SQLite file in the meantime; afterwards servers can."""
        fill(self.sqlite())
        with (
            exclusive_transaction(open_engine(self.sqlite())),
            self.assertRaises(StartError),
            exclusive_transaction(open_engine(self.sqlite())),
        ):
            self.fail("two at once")
        with open_engine(self.sqlite()).connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        self.assertEqual(mode, "wal")

    def test_failure(self) -> None:
        """A refused row is reported without its values."""
        fill(self.sqlite())
        with (
            self.assertRaises(StartError) as caught,
            exclusive_transaction(open_engine(self.sqlite())) as connection,
        ):
            connection.exec_driver_sql(
                "INSERT INTO client_usage (id, app, started, implementation, version) "
                "VALUES (8, 'secret', 1, 'secret', 'secret')"
            )
        self.assertIn("does not accept a row (IntegrityError)", str(caught.exception))
        self.assertNotIn("secret", str(caught.exception))
