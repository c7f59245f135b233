"""Tests of `wormhole_server.database.backups.check`."""

from __future__ import annotations

from tests.wormhole_server.database.backups.support import BackupCase
from tests.wormhole_server.databases import DESCRIBED_ROWS, fill
from wormhole_server.database.backups.check import check_backup
from wormhole_server.database.backups.rows import describe_counts
from wormhole_server.errors import StartError


class CheckTests(BackupCase):
    def setUp(self) -> None:
        """Make a backup with the first schema."""
        super().setUp()
        fill(self.sqlite(), "0001")
        self.path = self.back_up(self.sqlite())

    def test_contents(self) -> None:
        """An undamaged backup has a revision and rows, and is not changed by the check."""
        before = self.path.read_bytes()
        contents = check_backup(self.path)
        self.assertEqual(
            (contents.revision, describe_counts(contents.counts)), ("0001", DESCRIBED_ROWS)
        )
        self.assertEqual(self.path.read_bytes(), before)

    def test_damaged(self) -> None:
        """A file that is cut off, overwritten or of another kind is refused under the name it was given."""
        whole = self.path.read_bytes()
        middle = len(whole) // 4096 // 2 * 4096
        for content in (
            b"",
            b"rubbish" * 1000,
            whole[: len(whole) // 2],
            whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :],
        ):
            self.path.write_bytes(content)
            with self.assertRaises(StartError) as caught:
                check_backup(self.path, "monday.db")
            self.assertRegex(str(caught.exception), "^monday.db: is (not a|damaged|empty)")

    def test_damaged_anywhere(self) -> None:
        """Wherever it is damaged, a backup is either refused in one line or still whole."""
        whole = self.path.read_bytes()
        for start in range(0, len(whole), 331):
            self.path.write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
            try:
                check_backup(self.path)
            except StartError as error:
                self.assertNotIn("\n", str(error))

    def test_newer(self) -> None:
        """A backup that a later version wrote is refused."""
        self.execute(self.path, "UPDATE alembic_version SET version_num = '9999'")
        with self.assertRaises(StartError) as caught:
            check_backup(self.path)
        self.assertIn("9999, which is newer", str(caught.exception))
