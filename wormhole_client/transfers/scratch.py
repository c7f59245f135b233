"""
The scratch directory of a receiver: where a file or a directory lies until it is complete.

Owns the directories beside a target whose names begin with `PREFIX`, and the removal of those whose
receiver was killed. Each receiver keeps a lock on its own, which the kernel releases when it dies.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = ".receiving-"


@contextmanager
def scratch_directory(parent: Path) -> Iterator[Path]:
    """
    Make a directory that is removed in the end; remove what killed receivers have left first.

    :raises OSError: it cannot be made.
    """
    clear_leftovers(parent)
    made, lock = _make(parent)
    try:
        with made:
            yield Path(made.name)
    finally:
        os.close(lock)


def clear_leftovers(parent: Path) -> None:
    """Remove the scratch directories of this user that no process holds a lock on."""
    for leftover in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, gone meanwhile, or on a file system without locks
            lock = _open(leftover)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(leftover)
            finally:
                os.close(lock)


def _make(parent: Path) -> tuple["tempfile.TemporaryDirectory[str]", int]:
    while True:
        made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent)
        lock = _open(Path(made.name))
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if Path(made.name).exists():
            return made, lock
        os.close(lock)  # another receiver was faster than the lock, and took it for a leftover


def _open(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
