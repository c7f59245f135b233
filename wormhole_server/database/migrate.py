"""
Migrating a database: forward at every start of a server, back for the start of an earlier version.

Owns the order of the steps: lock, check, copy a SQLite file, migrate, commit. A migration is done as a whole
or not at all, by one process at a time. A database that is newer than this program, or belongs to another
one, is refused.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
from sqlalchemy import Connection, Engine

from wormhole_server.config.database_url import masked
from wormhole_server.database.failures import failures_reported
from wormhole_server.database.files import copy_path, keep_copy
from wormhole_server.database.locking import exclusive_transaction, lock_for_migration
from wormhole_server.database.revisions import (
    Migration,
    create,
    current_revision,
    downgrade,
    known_revisions,
    newest_revision,
    pending_migrations,
    upgrade,
)
from wormhole_server.errors import StartError


@attrs.frozen
class MigrationPlan:
    """
    What `migrate` would do.

    :ivar current: the revision of the database; None where it has no tables yet.
    :ivar newest: the revision that this program needs.
    :ivar migrations: oldest first; empty where there is nothing to do.
    :ivar copy: where a SQLite file would be copied to first; None where no copy would be kept.
    """

    current: str | None
    newest: str
    migrations: tuple[Migration, ...]
    copy: Path | None


def migrate(engine: Engine) -> str | None:
    """
    Bring a database to this program's schema. Servers with the old schema may run meanwhile.

    :return: what was done; None where there was nothing to do.
    :raises StartError: the database cannot be reached, is newer than this program, or belongs to another
        one. Nothing has been changed.
    """
    where = masked(engine.url)
    with failures_reported(engine.url), engine.connect() as connection:
        lock_for_migration(connection)
        current = current_revision(connection, where)
        newest = newest_revision()
        if current == newest:
            return None
        kept = None
        if current is None:
            create(connection)
        else:
            kept = _keep_copy(engine, current)
            upgrade(connection)
        connection.commit()
    if current is None:
        return f"created the tables of {where}"
    return f"migrated {where} from schema {current} to {newest}{_kept_text(kept)}"


def plan_migration(engine: Engine) -> MigrationPlan:
    """
    Find out what `migrate` would do. Nothing is changed, and no file is created.

    :raises StartError: as `migrate`.
    """
    path = Path(engine.url.database or "")
    sqlite = engine.dialect.name == "sqlite"
    current = None
    # Connecting to a file that does not exist would create it.
    if not sqlite or path.exists() or not path.absolute().parent.is_dir():
        with failures_reported(engine.url), engine.connect() as connection:
            current = current_revision(connection, masked(engine.url))
    migrations = pending_migrations(current)
    copied = sqlite and migrations and current is not None
    return MigrationPlan(
        current,
        newest_revision(),
        migrations,
        copy_path(str(path), current) if copied and current else None,
    )


def roll_back(engine: Engine, revision: str) -> str | None:
    """
    Take a database that no server uses back to an earlier schema.

    :return: what was done; None where there was nothing to do.
    :raises StartError: there is no such revision, the database is older than it, another program uses the
        database, or it cannot be reached. Nothing has been changed.
    """
    where = masked(engine.url)
    known = known_revisions()
    if revision not in known:
        raise StartError(f"there is no schema {revision}; this program knows {', '.join(known)}")
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
        raise StartError(f"database: there is no file {engine.url.database}")
    with exclusive_transaction(engine) as connection:
        current = current_revision(connection, where)
        if current == revision:
            return None
        if current is None or known.index(current) < known.index(revision):
            raise StartError(
                f"database: {where} has schema {current or 'none'}, which is before {revision}; "
                "run migrate without --back-to"
            )
        kept = _keep_copy_exclusively(connection, current)
        downgrade(connection, revision)
    return f"migrated {where} back from schema {current} to {revision}{_kept_text(kept)}"


def _keep_copy(engine: Engine, current: str) -> Path | None:
    """Copy a SQLite file while this process holds the write lock: nobody writes meanwhile."""
    if engine.dialect.name != "sqlite":
        return None
    database = engine.url.database or ""
    with closing(sqlite3.connect(database)) as source:
        return keep_copy(source, database, current)


def _keep_copy_exclusively(connection: Connection, current: str) -> Path | None:
    """Copy a SQLite file through the connection that keeps every other one out."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return None
    # SQLite copies nothing within a transaction; locking_mode=EXCLUSIVE keeps the lock without one.
    connection.commit()
    copy = keep_copy(driver, connection.engine.url.database or "", current)
    connection.exec_driver_sql("BEGIN EXCLUSIVE")
    return copy


def _kept_text(copy: Path | None) -> str:
    return f"; its previous state is kept in {copy}" if copy else ""
