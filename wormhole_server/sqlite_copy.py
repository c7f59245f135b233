"""
A private copy of a SQLite file, to read from while others go on with the file itself.

Owns the temporary directory that it lives in, and what is said where there is no such file to copy.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from wormhole_server.errors import StartError


@contextmanager
def private_copy(path: Path, hint: str) -> Iterator[Path]:
    """
    The file as it is at one moment, whoever writes to it; gone at the end.

    :param hint: what to name in place of a file that cannot be copied.
    :raises StartError: it is not there, or is no SQLite file.
    """
    if not path.is_file():
        raise StartError(f"{path}: there is no such file; {hint}")
    with tempfile.TemporaryDirectory(prefix="wormhole-server-") as directory:
        copy = Path(directory) / "copy.db"
        copy.touch(mode=0o600)
        try:
            with (
                # Not made where it has gone in this moment.
                closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise StartError(
                f"{path}: is no SQLite file, or cannot be read ({error}); {hint}"
            ) from (error)
        yield copy
