"""
A backup: one moment of a database, as one SQLite file, whatever the database is.

Owns how that file is made while servers run. From SQLite it is SQLite's own copy; from PostgreSQL the same
tables are made in a file and filled from one transaction. So a backup of either can be restored to either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from rendezvous.database import open_engine
from wormhole_server.backups import rows
from wormhole_server.backups.contents import check_file
from wormhole_server.errors import StartError
from wormhole_server.existing import snapshot
from wormhole_server.migrate import migrate_to


def back_up(url: URL, path: Path) -> Mapping[str, int]:
    """
    Write all that is in the database now to `path`, which is an empty file.

    :return: how many rows of each table the file has.
    :raises StartError: the database cannot be read, or the file cannot be written.
    """
    with snapshot(url) as (connection, revision):
        if connection.dialect.name == "sqlite":
            _copy_sqlite(connection, path)
        else:
            _copy_postgres(connection, revision, path)
    # What cannot be read back is no backup.
    return check_file(path).counts


def _copy_sqlite(connection: Connection, path: Path) -> None:
    database = connection.engine.url.database or ""
    # Its own snapshot begins with the statement. What was deleted does not come along.
    with closing(sqlite3.connect(database, isolation_level=None)) as source:
        try:
            source.execute("VACUUM INTO ?", (str(path),))
        except sqlite3.Error as error:
            raise StartError(
                f"{path}: cannot be written ({error}); a backup needs as much free disk as the "
                "database has rows"
            ) from error


def _copy_postgres(connection: Connection, revision: str, path: Path) -> None:
    engine = open_engine(sa.URL.create("sqlite", database=str(path)))
    try:
        with engine.connect() as target:
            # One file, without others beside it; it is made sure of at the end, as a whole.
            target.exec_driver_sql("PRAGMA journal_mode = OFF")
            target.exec_driver_sql("PRAGMA synchronous = OFF")
            target.exec_driver_sql("BEGIN")
            migrate_to(target, revision)
            rows.copy(connection, target, rows.tables(target))
            target.commit()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        if not isinstance(cause, sqlite3.Error):
            raise
        raise StartError(f"{path}: cannot be written ({cause})") from error
    finally:
        engine.dispose()
