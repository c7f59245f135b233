"""
Takes a database's schema back to that of an earlier version, so that the earlier version starts again.

Owns when that is done: while nobody uses the database, and with a copy of a SQLite file kept as for a step
forward. What an earlier schema has no place for is lost; each step says what that is.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine

from wormhole_server.backups.exclusive import alone
from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.migrate import copy_path, current_revision, migrate_back, revisions
from wormhole_server.ownership import give


def roll_back(engine: Engine, revision: str) -> str | None:
    """
    Undo the steps after `revision`.

    :return: what was done, in a sentence; None where there was nothing to do.
    :raises StartError: there is no such revision, the database is older than that, somebody uses it, or
        it cannot be reached. Nothing has been changed.
    """
    where = masked(engine.url)
    known = revisions()
    if revision not in known:
        raise StartError(f"there is no schema {revision}; this program knows {', '.join(known)}")
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
        raise StartError(f"database: there is no file {engine.url.database}")
    with alone(engine) as connection:
        current = current_revision(connection, where)
        if current == revision:
            return None
        if current is None or known.index(current) < known.index(revision):
            raise StartError(
                f"database: {where} has schema {current or 'none'}, which is before {revision}; "
                "run migrate without --back-to"
            )
        kept = _keep_copy(connection, current)
        migrate_back(connection, revision)
    copy = f"; its state before is kept in {kept}" if kept else ""
    return f"took {where} back from schema {current} to {revision}{copy}"


def _keep_copy(connection: Connection, current: str) -> Path | None:
    """Through the very connection that keeps all others out."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return None
    database = Path(connection.engine.url.database or "")
    copy = copy_path(str(database), current)
    copy.touch(mode=0o600)
    copy.chmod(0o600)
    give(copy, database)
    # It cannot be copied from within a transaction; the file stays locked without one.
    connection.commit()
    with closing(sqlite3.connect(copy)) as target:
        driver.backup(target)
    connection.exec_driver_sql("BEGIN EXCLUSIVE")
    return copy
