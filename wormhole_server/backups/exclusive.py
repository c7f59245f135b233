"""
A database that nobody else uses, and that nobody can begin to use.

Owns how that is found out and held, on SQLite and on PostgreSQL. Servers need not cooperate: a SQLite file
that somebody has open cannot leave its write-ahead mode, and PostgreSQL knows its connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.migrate import LOCK, why

_OTHERS = sa.text(
    """
    SELECT coalesce(nullif(application_name, ''), 'without a name') AS name, count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
        AND backend_type IS DISTINCT FROM 'walsender'
    GROUP BY name ORDER BY name
    """
)


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """
    A transaction that nobody else's can be beside of, committed at the end unless something is raised.

    A server that is started meanwhile waits for it, or says that the database is locked.

    :raises StartError: somebody else is connected, or the database cannot be reached.
    """
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                with _alone_on_sqlite(connection):
                    yield connection
            else:
                _alone_on_postgres(connection)
                yield connection
                connection.commit()
    except OperationalError as error:
        raise StartError(f"database: {masked(engine.url)} {why(engine, error)}") from error
    except SQLAlchemyError as error:
        # Not what the driver says of values: what clients sent is in there.
        raise StartError(
            f"database: {masked(engine.url)} does not take a row "
            f"({type(getattr(error, 'orig', None) or error).__name__}); nothing has been changed"
        ) from error


@contextmanager
def _alone_on_sqlite(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        connection.exec_driver_sql("PRAGMA locking_mode = EXCLUSIVE")
        # Whoever has the file open in write-ahead mode keeps it there.
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


def _alone_on_postgres(connection: Connection) -> None:
    # As for migrations: a server that starts waits for its turn before it looks at anything.
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    others = connection.execute(_OTHERS).all()
    if others:
        named = ", ".join(f"{name} ({number})" for name, number in others)
        raise StartError(
            f"database: others are connected to {masked(connection.engine.url)}: {named}; "
            "stop the servers and close all other connections first"
        )
