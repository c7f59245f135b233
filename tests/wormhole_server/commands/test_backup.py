"""Tests of `wormhole_server.commands.backup`."""

from __future__ import annotations

import io
import sys

from tests.wormhole_server.commands.runs import Run, run
from tests.wormhole_server.databases import DESCRIBED_ROWS, DatabaseCase, fill, rows
from wormhole_server.commands.backup import BACKUP, RESTORE
from wormhole_server.commands.command import ExitStatus


class BackupTests(DatabaseCase):
    def setUp(self) -> None:
        """A database with rows, and a path for its backup."""
        super().setUp()
        fill(self.sqlite())
        self.backup = self.directory / "backup"
        self.source = f"--database={self.sqlite()}"
        self.target = f"--database={self.sqlite('target.db')}"

    def test_file(self) -> None:
        """A backup is written to a file, and the rows are counted."""
        self.assertEqual(
            run(BACKUP, str(self.backup), self.source),
            Run(ExitStatus.OK, f"Backed up {self.sqlite()}: {DESCRIBED_ROWS}.\n", ""),
        )
        self.assertEqual(rows(self.sqlite("backup")), rows(self.sqlite()))

    def test_existing(self) -> None:
        """An existing file is kept unless it is to be replaced."""
        self.backup.write_text("precious")
        refused = run(BACKUP, str(self.backup), self.source)
        self.assertEqual((refused.status, refused.out), (ExitStatus.FAILED, ""))
        self.assertTrue(refused.err.startswith("wormhole-server: "), refused.err)
        self.assertEqual(self.backup.read_text(), "precious")
        self.assertEqual(run(BACKUP, str(self.backup), "--force", self.source).status, 0)
        self.assertEqual(rows(self.sqlite("backup")), rows(self.sqlite()))

    def test_streams(self) -> None:
        """A backup goes to standard output, its report to stderr, and is read from standard input."""
        written = io.TextIOWrapper(io.BytesIO())
        self.patch(sys, "stdout", written)
        backed_up = run(BACKUP, "-", self.source)
        self.assertEqual(
            backed_up, Run(ExitStatus.OK, "", f"Backed up {self.sqlite()}: {DESCRIBED_ROWS}.\n")
        )
        written.buffer.seek(0)
        self.patch(sys, "stdin", written)
        restored = run(RESTORE, "-", self.target)
        self.assertEqual(restored.status, ExitStatus.OK)
        self.assertEqual(rows(self.sqlite("target.db")), rows(self.sqlite()))

    def test_restore(self) -> None:
        """A backup is restored into an empty database, and the rows are counted."""
        run(BACKUP, str(self.backup), self.source)
        self.assertEqual(
            run(RESTORE, str(self.backup), self.target),
            Run(ExitStatus.OK, f"Restored {self.sqlite('target.db')}: {DESCRIBED_ROWS}.\n", ""),
        )
        self.assertEqual(rows(self.sqlite("target.db")), rows(self.sqlite()))

    def test_restore_filled(self) -> None:
        """A database with rows is kept unless they are to be deleted."""
        run(BACKUP, str(self.backup), self.source)
        refused = run(RESTORE, str(self.backup), self.source)
        self.assertEqual((refused.status, refused.out), (ExitStatus.FAILED, ""))
        self.assertIn("is not empty", refused.err)
        restored = run(RESTORE, str(self.backup), self.source, "--force")
        self.assertEqual(restored.status, ExitStatus.OK)
        self.assertEqual(restored.out.splitlines()[1], f"Deleted: {DESCRIBED_ROWS}.")

    def test_restore_older(self) -> None:
        """A backup with an older schema is migrated, and the report says so."""
        fill(self.sqlite("old.db"), "0001")
        run(BACKUP, str(self.backup), f"--database={self.sqlite('old.db')}")
        restored = run(RESTORE, str(self.backup), self.target)
        self.assertEqual(restored.status, ExitStatus.OK)
        self.assertRegex(restored.out, r"\(schema 0001, now \d{4}\)\.\n$")
