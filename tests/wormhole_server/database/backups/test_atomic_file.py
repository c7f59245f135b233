"""Tests of `wormhole_server.database.backups.atomic_file`."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.wormhole_server.databases import DatabaseCase
from wormhole_server.database.backups.atomic_file import atomic_file
from wormhole_server.errors import StartError


class AtomicFileTests(DatabaseCase):
    def names(self) -> list[str]:
        """Return the names in the directory."""
        return sorted(path.name for path in self.directory.iterdir())

    def test_written(self) -> None:
        """The file appears at the end, and only its owner can read it."""
        path = self.directory / "backup"
        with atomic_file(path, replace=False) as part:
            part.write_text("all")
            self.assertFalse(path.exists())
        self.assertEqual(path.read_text(), "all")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(self.names(), ["backup"])

    def test_failed(self) -> None:
        """Where the work fails, no temporary file is left and an existing file stays as it was."""
        path = self.directory / "backup"
        path.write_text("before")
        with self.assertRaises(ZeroDivisionError), atomic_file(path, replace=True) as part:
            part.write_text("half")
            raise ZeroDivisionError
        self.assertEqual(path.read_text(), "before")
        self.assertEqual(self.names(), ["backup"])

    def test_there(self) -> None:
        """An existing file is replaced only on request."""
        path = self.directory / "backup"
        path.write_text("before")
        with self.assertRaises(StartError) as caught, atomic_file(path, replace=False):
            self.fail("work was begun")
        self.assertIn("already exists", str(caught.exception))
        with atomic_file(path, replace=True) as part:
            part.write_text("after")
        self.assertEqual(path.read_text(), "after")

    def test_came_meanwhile(self) -> None:
        """A file that was created meanwhile is not replaced either."""
        path = self.directory / "backup"
        with self.assertRaises(StartError), atomic_file(path, replace=False):
            path.write_text("theirs")
        self.assertEqual(path.read_text(), "theirs")
        self.assertEqual(self.names(), ["backup"])

    def test_no_directory(self) -> None:
        """A directory that does not exist is reported."""
        path = Path(self.directory, "missing", "backup")
        with self.assertRaises(StartError) as caught, atomic_file(path, replace=False):
            self.fail("work was begun")
        self.assertIn("No such file or directory", str(caught.exception))
