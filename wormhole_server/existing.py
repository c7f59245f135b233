"""
A database that is there already, for commands that look at it while servers run.

Owns how one is opened without making or changing anything, and which are refused: one that is not there,
or whose schema is not this program's. Serving opens its own; see `rendezvous.database`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from rendezvous.database import open_engine
from wormhole_server.database_url import masked
from wormhole_server.errors import StartError
from wormhole_server.migrate import current_revision, newest_revision, why


@contextmanager
def snapshot(url: URL) -> Iterator[tuple[Connection, str]]:
    """
    A transaction that reads one moment of the database, whatever is written meanwhile; and its revision.

    :raises StartError: it is not there, cannot be reached, or is nothing that this program knows.
    """
    with _told(url) as engine, engine.connect() as plain:
        connection = plain
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection, _revision(connection, url)


@contextmanager
def reading(url: URL) -> Iterator[Connection]:
    """
    As `snapshot`, of a database whose tables are those that this program reads.

    :raises StartError: as `snapshot`, and for one that has to be migrated first.
    """
    with snapshot(url) as (connection, revision):
        _check_newest(revision, url)
        yield connection


@contextmanager
def opened(url: URL) -> Iterator[Engine]:
    """
    An engine, for several transactions on a database whose tables are those that this program writes.

    :raises StartError: as `reading`.
    """
    with _told(url) as engine:
        with engine.connect() as connection:
            _check_newest(_revision(connection, url), url)
        yield engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """
    Committed at the end unless something is raised.

    On SQLite it has the right to write from the beginning, and servers wait for it: it has to be short.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


@contextmanager
def _told(url: URL) -> Iterator[Engine]:
    """An engine, whose errors become a line for the operator."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StartError(
            f"database: there is no file {url.database}; give --database, or the --config that the "
            "server is started with, and run this in the same directory"
        )
    engine = open_engine(url)
    try:
        yield engine
    except SQLAlchemyError as error:
        raise StartError(f"database: {masked(url)} {why(engine, error)}") from error
    finally:
        engine.dispose()


def _revision(connection: Connection, url: URL) -> str:
    found = current_revision(connection, masked(url))
    if found is None:
        raise StartError(
            f"database: {masked(url)} is empty; start a server on it, or wormhole-server migrate"
        )
    return found


def _check_newest(revision: str, url: URL) -> None:
    newest = newest_revision()
    if revision != newest:
        raise StartError(
            f"database: {masked(url)} has schema {revision}, and this program reads {newest}; "
            "run wormhole-server migrate first, or restart the server with this version"
        )
