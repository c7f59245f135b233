"""Tests of `wormhole_server.backups.files`."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.wormhole_server.filled import DatabaseCase
from wormhole_server.backups.files import written
from wormhole_server.errors import StartError


class WrittenTests(DatabaseCase):
    """A file that is there whole or not at all."""

    def names(self) -> list[str]:
        """What is in the directory."""
        return sorted(path.name for path in self.directory.iterdir())

    def test_written(self) -> None:
        """The file appears at the end, and only its owner can read it."""
        path = self.directory / "backup"
        with written(path, replace=False) as part:
            part.write_text("all")
            self.assertFalse(path.exists())
        self.assertEqual(path.read_text(), "all")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(self.names(), ["backup"])

    def test_failed(self) -> None:
        """Where the work fails, nothing is left, and what was there stays."""
        path = self.directory / "backup"
        path.write_text("before")
        with self.assertRaises(ZeroDivisionError), written(path, replace=True) as part:
            part.write_text("half")
            raise ZeroDivisionError
        self.assertEqual(path.read_text(), "before")
        self.assertEqual(self.names(), ["backup"])

    def test_there(self) -> None:
        """A file that is there already is not replaced unless that is wished."""
        path = self.directory / "backup"
        path.write_text("before")
        with self.assertRaises(StartError) as caught, written(path, replace=False):
            self.fail("work was begun")
        self.assertIn("is there already", str(caught.exception))
        with written(path, replace=True) as part:
            part.write_text("after")
        self.assertEqual(path.read_text(), "after")

    def test_came_meanwhile(self) -> None:
        """A file that came while ours was written is not replaced either."""
        path = self.directory / "backup"
        with self.assertRaises(StartError), written(path, replace=False):
            path.write_text("theirs")
        self.assertEqual(path.read_text(), "theirs")
        self.assertEqual(self.names(), ["backup"])

    def test_no_directory(self) -> None:
        """A directory that is not there is told in a line."""
        path = Path(self.directory, "missing", "backup")
        with self.assertRaises(StartError) as caught, written(path, replace=False):
            self.fail("work was begun")
        self.assertIn("No such file or directory", str(caught.exception))
