"""
Whose the files are that root's commands make where a server is to write to them.

Owns that one rule. SQLite gives what it puts beside a database (its log) to the database's owner by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

_ROOT = 0


@contextmanager
def owned_as_directory(url: URL) -> Iterator[None]:
    """
    A SQLite file that is made meanwhile belongs to whom its directory belongs to.

    A service's directory is the service's; with root's file in it the service could only read.
    """
    path = Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None
    was_there = path is None or path.exists()
    try:
        yield
    finally:
        if path is not None and not was_there and path.exists():
            give(path, path.parent)


def give(path: Path, like: Path) -> None:
    """Let `path` belong to the owner of `like`, where we are allowed to: as root."""
    if os.geteuid() == _ROOT:
        owner = like.stat()
        # Whoever owns the directory could have put a link there.
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
