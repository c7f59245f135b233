"""
What a backup holds, and whether it is whole.

Owns the look into a file before anything is taken from it. Changes nothing.
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

from wormhole_server.backups import rows
from wormhole_server.errors import StartError
from wormhole_server.migrate import current_revision

_NAME_ONE = "name a file that wormhole-server backup has written"


@attrs.frozen
class Contents:
    """
    A backup that is whole.

    :ivar revision: the schema it was written with.
    :ivar counts: rows, by the name of the table.
    """

    revision: str
    counts: Mapping[str, int]


def check_file(path: Path, name: str | None = None) -> Contents:
    """
    Look at all of it.

    :param name: what the operator calls it, where that is not its path.
    :raises StartError: it is no backup, is damaged, or is of a later version than this program.
    """
    name = name or str(path)
    place = path.absolute().as_uri()
    try:
        with closing(sqlite3.connect(f"{place}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise StartError(f"{name}: is no backup ({error}); {_NAME_ONE}") from error
    if found != "ok":
        raise StartError(f"{name}: is damaged ({found}); take another backup")
    engine = sa.create_engine(f"sqlite:///{place}?mode=ro&uri=true", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            revision = current_revision(connection, name)
            if revision is None:
                raise StartError(f"{name}: is empty; {_NAME_ONE}")
            return Contents(revision, rows.count(connection, rows.tables(connection)))
    except DatabaseError as error:
        raise StartError(f"{name}: is no backup ({error.orig}); {_NAME_ONE}") from error
    finally:
        engine.dispose()
