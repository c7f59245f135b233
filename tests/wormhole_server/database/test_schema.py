"""Tests of `wormhole_server.database.schema`."""

from __future__ import annotations

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.rules.schema import metadata
from transit_relay.observer import ConnectionKind
from wormhole_server.database.schema import UNKNOWN_END, relay_usage, usage_imports


class SchemaTests(SynchronousTestCase):
    def test_metadata(self) -> None:
        """The tables stand beside the rendezvous server's, so that migrations are compared with both."""
        for table in (relay_usage, usage_imports):
            self.assertIs(metadata.tables[table.name], table)

    def test_keys(self) -> None:
        """Keys have 64 bits on PostgreSQL, and are the rowid on SQLite."""
        for table in (relay_usage, usage_imports):
            on_postgres = str(CreateTable(table).compile(dialect=postgresql.dialect()))
            self.assertIn("id BIGSERIAL NOT NULL", on_postgres)
            on_sqlite = str(CreateTable(table).compile(dialect=sqlite.dialect()))
            self.assertIn("id INTEGER NOT NULL", on_sqlite)

    def test_unknown_end(self) -> None:
        """An imported record is told from one of this relay."""
        self.assertNotIn(UNKNOWN_END, {kind.value for kind in ConnectionKind})
