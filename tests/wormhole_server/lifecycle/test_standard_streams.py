"""Tests of `wormhole_server.lifecycle.standard_streams`, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.lifecycle.standard_streams import is_journal, with_priority

PREPARE = """
import os, sys
from wormhole_server.lifecycle.standard_streams import discard_output, prepare_standard_streams
prepare_standard_streams()
"""


@pytest.mark.processes
class StandardStreamsTests(SynchronousTestCase):
    def run_program(self, program: str, how: str = "", encoding: str = "ascii") -> bytes:
        """Run a program after the preparation; its streams are as the shell's `how` says."""
        command = f'exec "$0" -c "$1" {how}'
        return subprocess.run(
            ["/bin/sh", "-c", command, sys.executable, PREPARE + program],
            env={"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout

    def test_encoding(self) -> None:
        """What a stream cannot encode is escaped."""
        self.assertEqual(self.run_program(r"print('\xe9\ud800')"), b"\\xe9\\ud800\n")

    def test_closed(self) -> None:
        """Closed streams can be printed to, and no file gets their descriptors."""
        for how in ("<&- >&- 2>&-", ">&-", "2>&-", "<&-"):
            self.run_program(
                "print(1); print(2, file=sys.stderr); sys.stdout.flush()\n"
                "assert os.open('/', os.O_RDONLY) > 2",
                how,
            )

    def test_discard(self) -> None:
        """What is printed after the output is discarded goes nowhere, without an error."""
        self.assertEqual(self.run_program("discard_output(); print('gone')"), b"")


class JournalTests(SynchronousTestCase):
    def test_priority(self) -> None:
        """A priority stands before the line."""
        self.assertEqual(with_priority("news", 6), "<6>news")

    def test_detected(self) -> None:
        """The journal is known by the device and inode that systemd names; another stream is not it."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        status = os.fstat(writing)
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        self.assertTrue(is_journal(journal, writing))
        self.assertFalse(is_journal({}, writing))
        self.assertFalse(is_journal({"JOURNAL_STREAM": "1:2"}, writing))
        os.close(writing)
        self.assertFalse(is_journal(journal, writing))
