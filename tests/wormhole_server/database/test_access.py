"""Tests of `wormhole_server.database.access`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import URL

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill
from wormhole_server.database.access import (
    open_current_engine,
    open_current_snapshot,
    open_snapshot,
    write_transaction,
)
from wormhole_server.database.revisions import newest_revision
from wormhole_server.errors import StartError

COUNT = "SELECT count(*) FROM client_usage"
DELETE = "DELETE FROM client_usage"


@pytest.mark.processes
class AccessTests(DatabaseCase):
    def refused(self, access: Callable[[URL], AbstractContextManager[Any]], url: URL) -> str:
        """Return why a database is not opened."""
        with self.assertRaises(StartError) as caught, access(url):
            self.fail("it was opened")
        return str(caught.exception)

    def test_snapshot(self) -> None:
        """A snapshot does not change, whatever is written meanwhile."""
        for url in (self.sqlite(), self.postgres()):
            fill(url)
            with open_snapshot(url) as (connection, revision):
                self.assertEqual(revision, newest_revision())
                before = connection.exec_driver_sql(COUNT).scalar_one()
                with open_engine(url).begin() as other:
                    other.exec_driver_sql(DELETE)
                self.assertEqual(connection.exec_driver_sql(COUNT).scalar_one(), before)
            with open_current_snapshot(url) as connection:
                self.assertEqual(connection.exec_driver_sql(COUNT).scalar_one(), 0)

    def test_older(self) -> None:
        """A database with an older schema can be looked at, and has to be migrated for more."""
        fill(self.sqlite(), "0001")
        with open_snapshot(self.sqlite()) as (_, revision):
            self.assertEqual(revision, "0001")
        for access in (open_current_snapshot, open_current_engine):
            self.assertIn("wormhole-server migrate", self.refused(access, self.sqlite()))

    def test_missing(self) -> None:
        """A file that does not exist is not created; one without tables is refused."""
        for access in (open_snapshot, open_current_snapshot, open_current_engine):
            self.assertIn("there is no file", self.refused(access, self.sqlite()))
            self.assertEqual(list(self.directory.iterdir()), [])
        self.assertIn("is empty", self.refused(open_snapshot, self.postgres()))

    def test_write_transaction(self) -> None:
        """A transaction is committed at its end, unless something is raised."""
        for url in (self.sqlite(), self.postgres()):
            fill(url)
            with open_current_engine(url) as engine:
                with self.assertRaises(ZeroDivisionError), write_transaction(engine) as connection:
                    connection.exec_driver_sql(DELETE)
                    raise ZeroDivisionError
                with write_transaction(engine) as connection:
                    self.assertEqual(connection.exec_driver_sql(COUNT).scalar_one(), 1)
                    connection.exec_driver_sql(DELETE)
                with engine.connect() as connection:
                    self.assertEqual(connection.exec_driver_sql(COUNT).scalar_one(), 0)

    def test_failure(self) -> None:
        """An error of the database while it is in use becomes a line for the operator."""
        fill(self.sqlite())
        with (
            self.assertRaises(StartError) as caught,
            open_current_engine(self.sqlite()) as engine,
            engine.connect() as connection,
        ):
            connection.exec_driver_sql("SELECT * FROM songs")
        self.assertIn("no such table: songs", str(caught.exception))
