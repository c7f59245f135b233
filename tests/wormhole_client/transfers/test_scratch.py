"""Tests of the scratch directory, and of what killed receivers leave."""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.project.markdown import ROOT
from wormhole_client.transfers.scratch import PREFIX, scratch_directory

KILLED = """
import os, signal, sys
from pathlib import Path
from wormhole_client.transfers.scratch import PREFIX, scratch_directory
with scratch_directory(Path(sys.argv[1])) as scratch:
    (scratch / "received").write_bytes(b"half a file")
    os.kill(os.getpid(), signal.SIGKILL)
"""


class ScratchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.parent = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def names(self) -> list[str]:
        return [each.name for each in self.parent.iterdir()]

    def test_removed(self) -> None:
        """The directory is removed in the end, after an error too."""
        with scratch_directory(self.parent) as scratch:
            (scratch / "received").write_bytes(b"x")
            self.assertEqual(self.names(), [scratch.name])
        with self.assertRaises(ZeroDivisionError), scratch_directory(self.parent):
            raise ZeroDivisionError
        self.assertEqual(self.names(), [])

    @pytest.mark.processes
    def test_leftovers(self) -> None:
        """What a killed receiver has left is removed by the next."""
        subprocess.run(
            [sys.executable, "-c", KILLED, str(self.parent)],
            env={"PYTHONPATH": str(ROOT)},
            check=False,
        )
        [left] = self.names()
        with scratch_directory(self.parent) as scratch:
            self.assertEqual(self.names(), [scratch.name])
            self.assertNotEqual(scratch.name, left)

    def test_in_use(self) -> None:
        """The directory of a receiver that works is left alone, and so is everything else."""
        other = self.parent / f"{PREFIX}other"
        other.mkdir()
        (self.parent / f"{PREFIX}file").write_text("x")
        (self.parent / f"{PREFIX}link").symlink_to(ROOT)
        lock = os.open(other, os.O_RDONLY)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = set(self.names())
        with scratch_directory(self.parent) as first, scratch_directory(self.parent) as second:
            self.assertEqual(set(self.names()), before | {first.name, second.name})
        self.assertEqual(set(self.names()), before)
