"""The base of tests with backups."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from tests.wormhole_server.databases import DESCRIBED_ROWS, DatabaseCase
from wormhole_server.database.backups.backup import back_up
from wormhole_server.database.backups.restore import restore
from wormhole_server.database.backups.rows import describe_counts
from wormhole_server.errors import StartError


class BackupCase(DatabaseCase):
    """A test with backups."""

    def back_up(self, url: URL, name: str = "backup") -> Path:
        """Make a backup, and check what it says that it has."""
        path = self.directory / name
        path.touch()
        self.assertEqual(describe_counts(back_up(url, path)), DESCRIBED_ROWS)
        return path

    def refused(self, path: Path, url: URL, *, replace: bool = False) -> str:
        """Return why a backup is not restored."""
        with self.assertRaises(StartError) as caught:
            restore(path, url, replace=replace)
        return str(caught.exception)

    def execute(self, path: Path, statement: str) -> None:
        """Change a SQLite file."""
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)
