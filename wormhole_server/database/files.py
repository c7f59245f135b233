"""
SQLite files: private copies, copies kept before a migration, and the owner of files that root creates.

Owns what is done to a file beside SQLite's own reading and writing. SQLite itself gives the files that it
puts beside a database to the owner of the database.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DatabaseError
from twisted.logger import Logger

from wormhole_server.errors import StartError

_log = Logger()

_ROOT = 0
# What `PRAGMA auto_vacuum` returns for a file that does not shrink.
_NEVER = 0


@contextmanager
def private_copy(path: Path, hint: str) -> Iterator[Path]:
    """
    Copy a SQLite file as it is at one moment, whatever is written to it meanwhile.

    :param hint: what to do where the file cannot be copied; the last part of the error message.
    :return: the copy, in a directory that only this user can read; deleted at the end.
    :raises StartError: the file does not exist, or is not a SQLite file.
    """
    if not path.is_file():
        raise StartError(f"{path}: there is no such file; {hint}")
    with tempfile.TemporaryDirectory(prefix="wormhole-server-") as directory:
        copy = Path(directory) / "copy.db"
        copy.touch(mode=0o600)
        # Without mode=rw SQLite would create a file that has been deleted since the check above.
        source_uri = f"{path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(source_uri, uri=True)) as source:
                _copy(source, copy)
        except sqlite3.Error as error:
            raise StartError(
                f"{path}: is not a SQLite file, or cannot be read ({error}); {hint}"
            ) from error
        yield copy


def copy_path(database: str, revision: str) -> Path:
    """Return where a database file is copied to before its schema is changed from `revision`."""
    return Path(f"{database}.before-{revision}")


def keep_copy(source: sqlite3.Connection, database: str, revision: str) -> Path:
    """
    Copy a database file to `copy_path`; only the owner of the file can read the copy.

    :param source: a connection to the file that is in no transaction.
    """
    copy = copy_path(database, revision)
    # The permissions are set while the file is still empty.
    copy.touch(mode=0o600)
    copy.chmod(0o600)
    give_to_owner_of(Path(database), copy)
    _copy(source, copy)
    return copy


@contextmanager
def new_file_owned_by_directory_owner(url: URL) -> Iterator[None]:
    """
    Give a SQLite file that is created meanwhile to the owner of its directory.

    A service owns its directory. It could only read a file that root has created there.
    """
    path = Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None
    existed = path is None or path.exists()
    try:
        yield
    finally:
        if path is not None and not existed and path.exists():
            give_to_owner_of(path.parent, path)


def give_to_owner_of(model: Path, path: Path) -> None:
    """Give `path` the owner and group of `model`. Only root can; for other users nothing happens."""
    if os.geteuid() == _ROOT:
        owner = model.stat()
        # The owner of the directory could have put a link there.
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as target:
        source.backup(target)


def let_file_shrink(engine: Engine) -> None:
    """
    Convert a SQLite file from before, so that it can give space back to its disk.

    This copies all that is in the file, once; a new file needs no conversion. Where it fails, for want of
    room or because another process reads the file, it is tried again at the next start.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        # Not in a transaction: SQLAlchemy begins none with this driver's settings.
        if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() != _NEVER:
            return
        try:
            connection.exec_driver_sql("VACUUM")
        except DatabaseError as error:
            _log.warn(
                "The database file cannot give free space back to its disk, because VACUUM has failed: "
                "{error}. The server works without; the next start tries again.",
                error=error.orig,
            )
