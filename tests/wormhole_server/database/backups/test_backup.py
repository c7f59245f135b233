"""Tests of `wormhole_server.database.backups.backup`."""

from __future__ import annotations

import pytest

from rendezvous.database import open_engine
from tests.wormhole_server.database.backups.support import BackupCase
from tests.wormhole_server.databases import damage, fill, rows
from wormhole_server.database.backups.backup import back_up
from wormhole_server.errors import StartError


@pytest.mark.processes
class BackupTests(BackupCase):
    def test_rows(self) -> None:
        """A backup is a SQLite database with every row, whichever database it is made of."""
        for source in (self.sqlite(), self.postgres()):
            fill(source)
            path = self.back_up(source, f"backup-{source.drivername}")
            self.assertEqual(rows(self.sqlite(path.name)), rows(source))

    def test_one_file(self) -> None:
        """A backup is one file, without what was deleted."""
        for source in (self.sqlite(), self.postgres()):
            fill(source)
            with open_engine(source).begin() as connection:
                connection.exec_driver_sql("UPDATE messages SET body = 'ab' WHERE number = 1")
            path = self.back_up(source, f"backup-{source.drivername}")
            self.assertEqual(
                [each.name for each in self.directory.glob(f"{path.name}*")], [path.name]
            )
            self.assertNotIn(b"00ff", path.read_bytes())

    def test_cannot_be_written(self) -> None:
        """A directory that cannot be written to is named."""
        for source in (self.sqlite(), self.postgres()):
            fill(source)
            path = self.directory / "missing" / "backup"
            with self.assertRaises(StartError) as caught:
                back_up(source, path)
            self.assertIn(f"{path.parent}: the backup cannot be written", str(caught.exception))

    def test_damaged(self) -> None:
        """A damaged database is named, and not the file that was to be written."""
        fill(self.sqlite())
        damage(self.directory / "server.db")
        path = self.directory / "backup"
        with self.assertRaisesRegex(StartError, "server.db is damaged: .*; .* restore a backup"):
            back_up(self.sqlite(), path)
