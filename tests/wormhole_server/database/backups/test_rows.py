"""Tests of `wormhole_server.database.backups.rows`."""

from __future__ import annotations

import pytest

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DESCRIBED_ROWS, DatabaseCase, fill, rows
from wormhole_server.database.backups.rows import (
    copy_rows,
    count_rows,
    delete_rows,
    describe_counts,
    reflect_tables,
)


class RowTests(DatabaseCase):
    @pytest.mark.processes
    def test_copied(self) -> None:
        """Rows are copied in either direction, however many there are."""
        first, last = self.sqlite(), self.sqlite("last.db")
        fill(first)
        many = (
            "INSERT INTO discarded_mailboxes (mailbox_id) "
            "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) "
            "SELECT i FROM n"
        )
        with open_engine(first).begin() as connection:
            connection.exec_driver_sql(many)
        between = self.postgres()
        for source, target in ((first, between), (between, last)):
            fill(target)
            with open_engine(source).connect() as old, open_engine(target).begin() as new:
                tables = reflect_tables(old)
                delete_rows(new, tables)
                self.assertEqual(set(count_rows(new, tables).values()), {0})
                copy_rows(old, new, tables)
                self.assertEqual(count_rows(new, tables), count_rows(old, tables))
        self.assertEqual(rows(last), rows(first))

    def test_described(self) -> None:
        """Counts are summed up in words; the record of migrations is no row."""
        fill(self.sqlite())
        with open_engine(self.sqlite()).connect() as connection:
            tables = reflect_tables(connection)
            self.assertEqual(describe_counts(count_rows(connection, tables)), DESCRIBED_ROWS)
        self.assertNotIn("alembic_version", {table.name for table in tables})
        self.assertEqual(
            describe_counts({"messages": 1234}),
            "0 nameplates, 0 mailboxes, 1,234 messages, 0 usage records",
        )
