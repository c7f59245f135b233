"""Files for tests: in a directory of their own, and gone when the test is over."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase


def new_path(test: SynchronousTestCase, name: str = "file") -> Path:
    """A path where nothing is."""
    directory = tempfile.TemporaryDirectory()
    test.addCleanup(directory.cleanup)
    return Path(directory.name) / name
