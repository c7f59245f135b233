"""Tests of `rendezvous.ledger.spare_file`."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger.spare_file import MOST_BYTES, SpareFile


class SpareFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A directory."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "spare"
        self.spare = SpareFile(str(self.path))

    def disk(self, total: int, free: int) -> None:
        """Let the disk have so many blocks of 1 KiB."""
        values = os.statvfs_result((1024, 1024, total, free, free, 0, 0, 0, 0, 255))
        patched = mock.patch("os.statvfs", return_value=values)
        patched.start()
        self.addCleanup(patched.stop)

    def test_create(self) -> None:
        """The file takes its place on the disk, and only its owner can read it."""
        self.disk(1 << 20, 1 << 20)
        self.assertTrue(self.spare.create())
        status = self.path.stat()
        self.assertEqual((status.st_size, stat.S_IMODE(status.st_mode)), (MOST_BYTES, 0o600))
        self.assertGreaterEqual(status.st_blocks * 512, MOST_BYTES)
        self.assertTrue(self.spare.create())

    def test_small_disk(self) -> None:
        """On a small disk the file is a sixteenth of it."""
        self.disk(1024, 1024)
        self.assertTrue(self.spare.create())
        self.assertEqual(self.path.stat().st_size, 64 * 1024)

    def test_full_disk(self) -> None:
        """The file is not created where it would leave less than as much again."""
        self.disk(1024, 127)
        self.assertFalse(self.spare.create())
        self.assertFalse(self.path.exists())

    def test_refused(self) -> None:
        """A file that the disk has no room for after all is not left there."""
        with mock.patch("os.posix_fallocate", side_effect=OSError(28, "No space left on device")):
            self.assertFalse(self.spare.create())
        self.assertFalse(self.path.exists())

    def test_give_up(self) -> None:
        """What was given up is gone, and may be given up again."""
        self.disk(1024, 1024)
        self.spare.create()
        self.spare.give_up()
        self.assertFalse(self.path.exists())
        self.spare.give_up()

    def test_no_directory(self) -> None:
        """Where nothing can be created, there is no spare file."""
        self.assertFalse(SpareFile("/nonexistent/spare").create())
