"""Tests of `wormhole_server.ownership`, through what makes files: restore, migrate, and the way back."""

from __future__ import annotations

import io
import os
from pathlib import Path

from sqlalchemy import URL

from tests.wormhole_server.filled import DatabaseCase, fill
from wormhole_server.backups.backup import back_up
from wormhole_server.backups.restore import restore
from wormhole_server.cli import command
from wormhole_server.commands.command import Terminal


class OwnershipTests(DatabaseCase):
    """What root makes in a service's directory is the service's."""

    def setUp(self) -> None:
        """Be root, as far as anybody can tell, and see what it gives away."""
        super().setUp()
        self.given: dict[str, tuple[int, int]] = {}
        self.patch(os, "geteuid", lambda: 0)
        self.patch(os, "chown", self.chown)
        stat = self.directory.stat()
        self.owner = (stat.st_uid, stat.st_gid)

    def chown(self, path: Path, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        """Whoever owns the directory might have put a link there."""
        self.assertFalse(follow_symlinks)
        self.assertTrue(path.exists())
        self.given[path.name] = (uid, gid)

    def backup(self) -> Path:
        """Of a database with rows."""
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
        """A server can write to a database that restore makes; one that is there stays whose it is."""
        backup = self.backup()
        restore(backup, self.sqlite(), replace=False)
        self.assertEqual(self.given, {"server.db": self.owner})
        self.given.clear()
        restore(backup, self.sqlite(), replace=True)
        self.assertEqual(self.given, {})

    def test_migrate(self) -> None:
        """So can one that migrate makes, and the copies that are kept."""
        self.migrate()
        self.assertEqual(self.given, {"server.db": self.owner})
        self.migrate("--back-to=0001")
        self.migrate()
        self.assertEqual(
            self.given.keys(), {"server.db", "server.db.before-0001", "server.db.before-0002"}
        )

    def test_not_root(self) -> None:
        """Nobody else can give anything away, or has to."""
        self.patch(os, "geteuid", lambda: 1000)
        self.migrate()
        self.migrate("--back-to=0001")
        self.assertEqual(self.given, {})
