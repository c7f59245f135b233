"""
Database locks: one process migrates at a time, and a restore has the database to itself.

Owns how the locks are taken on SQLite and on PostgreSQL. Servers need not cooperate: a SQLite file that
another process has open cannot leave its write-ahead mode, and PostgreSQL lists its connections.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from wormhole_server.config.database_url import masked
from wormhole_server.database.failures import describe_failure
from wormhole_server.errors import StartError

# The key of PostgreSQL's advisory lock; any number that other programs do not use.
_ADVISORY_LOCK = 4001_4000

_OTHER_CONNECTIONS = sa.text(
    """
    SELECT coalesce(nullif(application_name, ''), 'without a name') AS name, count(*) AS connections
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
        AND backend_type IS DISTINCT FROM 'walsender'
    GROUP BY name ORDER BY name
    """
)

# What a transaction has read of the connections stays as it was; this makes it read them again.
_FORGET_CONNECTIONS = sa.text("SELECT pg_stat_clear_snapshot()")
# PostgreSQL lists a connection for a moment after its client has closed it: so often is it looked for again.
_LOOKS = 20
_LOOK_SECONDS = 0.05


def lock_for_migration(connection: Connection) -> None:
    """
    Begin a transaction that waits for every other migration, until it ends.

    On SQLite it has the right to write from the beginning.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


@contextmanager
def exclusive_transaction(engine: Engine) -> Iterator[Connection]:
    """
    Run a transaction beside which nobody else uses the database; commit it unless something is raised.

    A server that starts meanwhile waits for the end, or reports that the database is locked.

    :raises StartError: another program is connected, or the database cannot be reached. Nothing has been
        changed.
    """
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                with _exclusive_on_sqlite(connection):
                    yield connection
            else:
                _check_alone_on_postgres(connection)
                yield connection
                connection.commit()
    except OperationalError as error:
        failure = describe_failure(engine.url, error)
        raise StartError(f"database: {masked(engine.url)} {failure}") from error
    except SQLAlchemyError as error:
        # The driver's message is left out: it contains values that clients have sent.
        raise StartError(
            f"database: {masked(engine.url)} does not accept a row "
            f"({type(getattr(error, 'orig', None) or error).__name__}); nothing has been changed"
        ) from error


@contextmanager
def _exclusive_on_sqlite(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        connection.exec_driver_sql("PRAGMA locking_mode = EXCLUSIVE")
        # Fails while another process has the file open in write-ahead mode.
        connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
    except OperationalError as error:
        if "locked" not in str(error.orig):
            raise
        raise StartError(
            f"database: {connection.engine.url.database} is in use by a server or another program; "
            "stop it first"
        ) from error
    yield
    connection.commit()
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def _check_alone_on_postgres(connection: Connection) -> None:
    # A server that starts takes this lock before it looks at anything.
    lock_for_migration(connection)
    for _ in range(_LOOKS):
        connection.execute(_FORGET_CONNECTIONS)
        others = connection.execute(_OTHER_CONNECTIONS).all()
        if not others:
            return
        time.sleep(_LOOK_SECONDS)
    named = ", ".join(f"{row.name} ({row.connections})" for row in others)
    raise StartError(
        f"database: other programs are connected to {masked(connection.engine.url)}: {named}; "
        "stop the servers and close all other connections first"
    )
