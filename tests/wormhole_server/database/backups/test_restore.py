"""Tests of `wormhole_server.database.backups.restore`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from rendezvous.database import open_engine
from tests.wormhole_server.database.backups.support import BackupCase
from tests.wormhole_server.databases import DESCRIBED_ROWS, fill, rows
from wormhole_server.database.backups.backup import back_up
from wormhole_server.database.backups.restore import RestoreResult, restore
from wormhole_server.database.backups.rows import describe_counts
from wormhole_server.database.migrate import migrate
from wormhole_server.errors import StartError


@pytest.mark.processes
class RoundTripTests(BackupCase):
    """What is restored is what was there."""

    def test_round_trip(self) -> None:
        """From SQLite to PostgreSQL, from there to another PostgreSQL, and back to SQLite: all rows."""
        first = self.sqlite()
        fill(first)
        databases = [first, self.postgres(), self.postgres(), self.sqlite("last.db")]
        for number, (source, target) in enumerate(pairwise(databases)):
            restored = restore(self.back_up(source, f"backup{number}"), target, replace=False)
            self.assertEqual(describe_counts(restored.counts), DESCRIBED_ROWS)
            self.assertEqual(rows(target), rows(first))

    def test_numbers(self) -> None:
        """A mailbox's number is never given twice, even where its mailbox is not in the backup."""
        for source, target in (
            (self.sqlite(), self.postgres()),
            (self.postgres(), self.sqlite("target.db")),
        ):
            fill(source)
            engine = open_engine(source)
            with engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM mailboxes")
            path = self.directory / f"backup-{source.drivername}"
            path.touch()
            back_up(source, path)
            restore(path, target, replace=False)
            insert = sa.text(
                "INSERT INTO mailboxes (app, mailbox, first_side, first_open, second_open, crowded, "
                "created, used) VALUES ('a', 'b', 's', true, false, false, 0, 0) RETURNING id"
            )
            with open_engine(target).connect() as connection:
                self.assertEqual(connection.execute(insert).scalar_one(), 42)

    def test_older(self) -> None:
        """A backup from before a migration is brought up to date; the file itself is not touched."""
        for source in (self.sqlite("old.db"), self.postgres()):
            fill(source, "0001")
            path = self.back_up(source, f"backup-{source.drivername}")
            before = path.read_bytes()
            target = self.sqlite(f"{source.drivername}.db")
            restored = restore(path, target, replace=False)
            self.assertEqual(
                (restored.revision, describe_counts(restored.counts)), ("0001", DESCRIBED_ROWS)
            )
            self.assertIsNone(migrate(open_engine(target)))
            self.assertEqual(path.read_bytes(), before)


@pytest.mark.processes
class RefusalTests(BackupCase):
    """What is not restored, and leaves everything as it was."""

    def setUp(self) -> None:
        """Have a backup."""
        super().setUp()
        fill(self.sqlite())
        self.path = self.back_up(self.sqlite())

    def test_not_empty(self) -> None:
        """A database that has rows is left alone, unless it is said that they may go."""
        for target in (self.sqlite("target.db"), self.postgres()):
            fill(target)
            with open_engine(target).begin() as connection:
                connection.exec_driver_sql("UPDATE messages SET body = 'theirs'")
            before = rows(target)
            self.assertIn(f"is not empty ({DESCRIBED_ROWS})", self.refused(self.path, target))
            self.assertEqual(rows(target), before)
            restored = restore(self.path, target, replace=True)
            self.assertEqual(describe_counts(restored.replaced), DESCRIBED_ROWS)
            self.assertEqual(rows(target), rows(self.sqlite()))

    def test_in_use(self) -> None:
        """A database that somebody has open is left alone, idle as they may be."""
        for target in (self.sqlite("target.db"), self.postgres()):
            migrate(open_engine(target))
            before = rows(target)
            with open_engine(target).connect() as connection:
                connection.exec_driver_sql("SELECT 1 FROM mailboxes")
                connection.rollback()
                refused = self.refused(self.path, target, replace=True)
            self.assertRegex(refused, r"is in use by|connected to .*wormhole-server \(1\)")
            self.assertEqual(rows(target), before)
            self.assertIsInstance(restore(self.path, target, replace=False), RestoreResult)

    def test_half_way(self) -> None:
        """Where a row cannot be taken, nothing is changed: neither rows nor tables nor numbers."""
        # PostgreSQL knows no such text, SQLite does.
        self.execute(self.path, "UPDATE client_usage SET version = 'a' || char(0)")
        empty = self.postgres()
        self.assertIn("does not accept a row", self.refused(self.path, empty))
        self.assertEqual(rows(empty), {})
        full = self.postgres()
        fill(full)
        before = rows(full)
        self.assertIn("does not accept a row", self.refused(self.path, full, replace=True))
        self.assertEqual(rows(full), before)

    def test_damaged(self) -> None:
        """A file that is cut off, or that has bytes of something else, is found out before anything."""
        target = self.sqlite("target.db")
        whole = self.path.read_bytes()
        for content in (b"", b"rubbish" * 1000, whole[: len(whole) // 2]):
            self.path.write_bytes(content)
            self.assertRegex(self.refused(self.path, target), "is not a |is damaged|is empty")
        middle = len(whole) // 4096 // 2 * 4096
        self.path.write_bytes(whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :])
        self.assertRegex(self.refused(self.path, target), "is not a |is damaged")
        self.assertFalse(Path(target.database or "").exists())

    def test_newer(self) -> None:
        """What a later version wrote is left to that version."""
        self.execute(self.path, "UPDATE alembic_version SET version_num = '9999'")
        self.assertIn("9999, which is newer", self.refused(self.path, self.sqlite("target.db")))
        fill(self.sqlite("newer.db"))
        self.execute(self.directory / "newer.db", "UPDATE alembic_version SET version_num = '9'")
        with self.assertRaises(StartError):
            back_up(self.sqlite("newer.db"), self.directory / "never")

    def test_foreign(self) -> None:
        """Somebody else's tables are neither restored nor written over."""
        self.execute(self.directory / "songs.db", "CREATE TABLE songs (title)")
        songs = self.directory / "songs.db"
        self.assertIn("another program", self.refused(songs, self.sqlite("target.db")))
        self.assertIn(
            "another program", self.refused(self.path, self.sqlite("songs.db"), replace=True)
        )

    def test_nowhere(self) -> None:
        """Files that are not there, and a server that does not answer, are told in a line."""
        self.assertIn("no such file", self.refused(self.directory / "missing", self.sqlite("x.db")))
        with self.assertRaises(StartError) as caught:
            back_up(self.sqlite("missing.db"), self.directory / "never")
        self.assertIn("there is no file", str(caught.exception))
        nobody = sa.make_url("postgresql+psycopg://me:secret@127.0.0.1:1/db")
        refused = self.refused(self.path, nobody)
        self.assertIn("does not answer", refused)
        self.assertNotIn("secret", refused)
