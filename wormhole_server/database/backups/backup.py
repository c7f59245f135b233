"""
Making a backup: one moment of a database becomes one SQLite file, while servers run.

Owns how the file is made. From SQLite it is SQLite's own copy. From PostgreSQL the same tables are created in
a file and filled from one transaction. So a backup of either can be restored to either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from rendezvous.database import open_engine
from wormhole_server.database.access import check_undamaged, open_snapshot
from wormhole_server.database.backups import rows
from wormhole_server.database.backups.check import check_backup
from wormhole_server.database.revisions import upgrade
from wormhole_server.errors import StartError


def back_up(url: URL, path: Path) -> Mapping[str, int]:
    """
    Write everything that is in a database now to a file, and check the file.

    :param path: an empty file.
    :return: the number of rows in the file, by table.
    :raises StartError: the database cannot be read, or the file cannot be written.
    """
    with open_snapshot(url) as (connection, revision):
        if connection.dialect.name == "sqlite":
            _copy_sqlite(connection, path)
        else:
            _copy_postgres(connection, revision, path)
    return check_backup(path).counts


def _copy_sqlite(connection: Connection, path: Path) -> None:
    # The statement reads a snapshot of its own, and leaves out what was deleted.
    connection.rollback()
    try:
        connection.exec_driver_sql("VACUUM INTO ?", (str(path),))
    except DatabaseError as error:
        # SQLite does not say which file an error is about, and may report damage as a full disk.
        check_undamaged(connection)
        raise StartError(
            f"{path.parent}: the backup cannot be written there ({error.orig}); it needs as much free disk "
            "space as the rows of the database take"
        ) from error


def _copy_postgres(connection: Connection, revision: str, path: Path) -> None:
    engine = open_engine(sa.URL.create("sqlite", database=str(path)))
    try:
        with engine.connect() as target:
            # One file without a log beside it; the caller brings it to the disk as a whole.
            target.exec_driver_sql("PRAGMA journal_mode = OFF")
            target.exec_driver_sql("PRAGMA synchronous = OFF")
            target.exec_driver_sql("BEGIN")
            upgrade(target, revision)
            rows.copy_rows(connection, target, rows.reflect_tables(target))
            target.commit()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        if not isinstance(cause, sqlite3.Error):
            raise
        raise StartError(f"{path.parent}: the backup cannot be written there ({cause})") from error
    finally:
        engine.dispose()
