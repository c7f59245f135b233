"""Tests of `wormhole_server.database.files`."""

from __future__ import annotations

import io
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from rendezvous.database import open_engine
from tests.wormhole_server.databases import DatabaseCase, fill, rows
from wormhole_server.cli import command
from wormhole_server.commands.command import Terminal
from wormhole_server.database.backups.backup import back_up
from wormhole_server.database.backups.restore import restore
from wormhole_server.database.files import keep_copy, let_file_shrink, private_copy
from wormhole_server.database.revisions import newest_revision
from wormhole_server.errors import StartError


class OwnershipTests(DatabaseCase):
    """Root gives the files that it creates in a service's directory to the service."""

    def setUp(self) -> None:
        """Pretend to be root, and note what it gives away."""
        super().setUp()
        self.given: dict[str, tuple[int, int]] = {}
        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "chown", self.chown)
        stat = self.directory.stat()
        self.owner = (stat.st_uid, stat.st_gid)

    def chown(self, path: Path, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        """Note the new owner; a link is never followed."""
        self.assertFalse(follow_symlinks)
        self.assertTrue(path.exists())
        self.given[path.name] = (uid, gid)

    def backup(self) -> Path:
        """Make a backup of a database with rows."""
        source: URL = self.sqlite("source.db")
        fill(source)
        path = self.directory / "backup"
        path.touch()
        back_up(source, path)
        return path

    def migrate(self, *arguments: str) -> None:
        """Run the command."""
        terminal = Terminal({}, io.StringIO(), io.StringIO())
        self.assertEqual(
            command(["migrate", f"--database={self.sqlite()}", *arguments], terminal), 0
        )

    def test_restore(self) -> None:
        """The service owns a database that restore creates; an existing one keeps its owner."""
        backup = self.backup()
        restore(backup, self.sqlite(), replace=False)
        self.assertEqual(self.given, {"server.db": self.owner})
        self.given.clear()
        restore(backup, self.sqlite(), replace=True)
        self.assertEqual(self.given, {})

    def test_migrate(self) -> None:
        """The service owns a database that migrate creates, and the copies that are kept."""
        self.migrate()
        self.assertEqual(self.given, {"server.db": self.owner})
        self.migrate("--back-to=0001")
        self.migrate()
        self.assertEqual(
            self.given.keys(),
            {"server.db", "server.db.before-0001", f"server.db.before-{newest_revision()}"},
        )

    def test_not_root(self) -> None:
        """Other users give nothing away."""
        self.patch(os, "geteuid", lambda: 1000)
        self.migrate()
        self.migrate("--back-to=0001")
        self.assertEqual(self.given, {})


class CopyTests(DatabaseCase):
    def test_private_copy(self) -> None:
        """A copy has the rows of the file, only its owner can read it, and it is deleted at the end."""
        fill(self.sqlite())
        with private_copy(self.directory / "server.db", "name another") as copy:
            self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(copy.parent.stat().st_mode), 0o700)
            url = self.sqlite().set(database=str(copy))
            self.assertEqual(rows(url), rows(self.sqlite()))
        self.assertFalse(copy.parent.exists())

    def test_nothing_to_copy(self) -> None:
        """A file that does not exist, or is none of SQLite's, is refused with the hint."""
        rubbish = self.directory / "rubbish"
        rubbish.write_bytes(b"rubbish" * 100)
        for path, why in ((self.directory / "missing", "no such file"), (rubbish, "not a SQLite")):
            with self.assertRaises(StartError) as caught, private_copy(path, "name another"):
                self.fail("there is a copy")
            self.assertRegex(str(caught.exception), f"{why}.*; name another$")
        self.assertFalse((self.directory / "missing").exists())

    def test_keep_copy(self) -> None:
        """A copy that is kept replaces an older one, and can be read by its owner only."""
        fill(self.sqlite())
        path = self.directory / "server.db"
        path.chmod(0o640)
        older = self.directory / "server.db.before-0001"
        older.write_bytes(b"")
        with closing(sqlite3.connect(path)) as source:
            self.assertEqual(keep_copy(source, str(path), "0001"), older)
        self.assertEqual(stat.S_IMODE(older.stat().st_mode), 0o600)
        self.assertEqual(rows(self.sqlite(older.name)), rows(self.sqlite()))


class ShrinkTests(DatabaseCase):
    """Files from before that could not give space back."""

    def test_converted(self) -> None:
        """A file is converted once, with all its rows."""
        path = Path(self.sqlite().database or "")
        with closing(sqlite3.connect(path)) as old:
            old.execute("PRAGMA auto_vacuum = NONE")
            old.execute("CREATE TABLE old (id INTEGER)")
            old.execute("INSERT INTO old VALUES (7)")
            old.commit()
        engine = open_engine(self.sqlite())
        let_file_shrink(engine)
        let_file_shrink(engine)
        with closing(sqlite3.connect(path)) as outside:
            self.assertEqual(outside.execute("PRAGMA auto_vacuum").fetchone(), (2,))
            self.assertEqual(outside.execute("SELECT id FROM old").fetchall(), [(7,)])
        engine.dispose()
