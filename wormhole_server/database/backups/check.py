"""
Checking a backup: whether a file is one, is undamaged, and what it holds.

Owns everything that is read from the file before a restore. Changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import attrs
import sqlalchemy as sa
from sqlalchemy import NullPool
from sqlalchemy.exc import DatabaseError

from wormhole_server.database.backups import rows
from wormhole_server.database.revisions import current_revision
from wormhole_server.errors import StartError

_HINT = "name a file that wormhole-server backup has written"


@attrs.frozen
class BackupContents:
    """
    What an undamaged backup holds.

    :ivar revision: the schema that it was written with.
    :ivar counts: the number of rows, by table.
    """

    revision: str
    counts: Mapping[str, int]


def check_backup(path: Path, name: str | None = None) -> BackupContents:
    """
    Read a backup as a whole.

    :param name: what error messages call the file; its path by default.
    :raises StartError: it is not a backup, is damaged, or is newer than this program.
    """
    name = name or str(path)
    uri = path.absolute().as_uri()
    try:
        with closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except UnicodeDecodeError as error:
        raise StartError(f"{name}: is damaged; use another backup") from error
    except sqlite3.Error as error:
        raise StartError(f"{name}: is not a backup ({error}); {_HINT}") from error
    if found != "ok":
        raise StartError(f"{name}: is damaged ({found.splitlines()[-1]}); use another backup")
    engine = sa.create_engine(f"sqlite:///{uri}?mode=ro&uri=true", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            revision = current_revision(connection, name)
            if revision is None:
                raise StartError(f"{name}: is empty; {_HINT}")
            return BackupContents(
                revision, rows.count_rows(connection, rows.reflect_tables(connection))
            )
    except UnicodeDecodeError as error:
        raise StartError(f"{name}: is damaged; use another backup") from error
    except DatabaseError as error:
        raise StartError(f"{name}: is not a backup ({error.orig}); {_HINT}") from error
    finally:
        engine.dispose()
