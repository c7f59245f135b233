"""
Access to an existing database, for commands that read or write it while servers run.

Owns how the database is opened without creating or changing anything, and which ones are refused: one that
does not exist, or whose schema is not this program's. Servers open theirs with `rendezvous.database`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine

from rendezvous.database import open_engine
from wormhole_server.config.database_url import masked
from wormhole_server.database.failures import failures_reported
from wormhole_server.database.revisions import current_revision, newest_revision
from wormhole_server.errors import StartError


@contextmanager
def open_snapshot(url: URL) -> Iterator[tuple[Connection, str]]:
    """
    Open a transaction that reads one moment of a database, whatever is written meanwhile.

    :return: the connection, and the revision of the schema, which need not be the newest.
    :raises StartError: the database does not exist, cannot be reached, or is newer than this program.
    """
    with _open_engine(url) as engine, engine.connect() as plain:
        connection = plain
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection, _revision(connection, url)


@contextmanager
def open_current_snapshot(url: URL) -> Iterator[Connection]:
    """
    Do the same as `open_snapshot`, on a database with this program's own schema.

    :raises StartError: as `open_snapshot`, or the database has to be migrated first.
    """
    with open_snapshot(url) as (connection, revision):
        _check_newest(revision, url)
        yield connection


@contextmanager
def open_current_engine(url: URL) -> Iterator[Engine]:
    """
    Open a database with this program's own schema, for several transactions.

    :raises StartError: as `open_current_snapshot`.
    """
    with _open_engine(url) as engine:
        with engine.connect() as connection:
            _check_newest(_revision(connection, url), url)
        yield engine


def check_undamaged(connection: Connection) -> None:
    """
    Read a whole SQLite file, through a connection from here.

    :raises StartError: the file is damaged.
    """
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise StartError(
            f"database: {masked(connection.engine.url)} is damaged: {found.splitlines()[-1]}; stop the "
            "server, move the file away and restore a backup"
        )


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """
    Open a transaction that is committed at the end, unless something is raised.

    On SQLite it locks out servers from its beginning: keep it short.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


@contextmanager
def _open_engine(url: URL) -> Iterator[Engine]:
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StartError(
            f"database: there is no file {url.database}; give --database, or the --config of the "
            "server, and run this in the directory that the server runs in"
        )
    engine = open_engine(url)
    try:
        with failures_reported(url):
            yield engine
    finally:
        engine.dispose()


def _revision(connection: Connection, url: URL) -> str:
    found = current_revision(connection, masked(url))
    if found is None:
        raise StartError(
            f"database: {masked(url)} is empty; start a server on it, or run wormhole-server migrate"
        )
    return found


def _check_newest(revision: str, url: URL) -> None:
    newest = newest_revision()
    if revision != newest:
        raise StartError(
            f"database: {masked(url)} has schema {revision}, and this program needs {newest}; "
            "run wormhole-server migrate first, or restart the server with this version"
        )
