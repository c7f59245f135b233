"""
A database with the rendezvous tables for tests of the rules, and the two of them that all rules run on.

A case of rules has `__test__ = False` and is run by two subclasses, `OnSqlite` and `OnPostgres` mixed in.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.database import open_engine
from rendezvous.errors import Refusal
from rendezvous.ledger.transaction import Transaction
from rendezvous.rules.schema import metadata
from tests.databases import new_postgres_url, sqlite_url

T = TypeVar("T")


class Store:
    """Runs operations one by one on one connection, each in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._proxy = engine.raw_connection()
        self._connection: Any = self._proxy.driver_connection
        # psycopg begins by itself.
        self._begins = engine.dialect.name == "sqlite"

    def run(self, operation: Callable[[Transaction], T]) -> T:
        """As the ledger does: what was written before a refusal stays, anything else undoes it."""
        cursor = self._connection.cursor()
        if self._begins:
            cursor.execute("BEGIN")
        tx = Transaction(cursor, self.engine.dialect)
        refusal: Refusal | None = None
        result: Any = None
        try:
            try:
                result = operation(tx)
            except Refusal as refused:
                refusal = refused
            tx.finish()
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()
        if refusal is not None:
            raise refusal
        return cast("T", result)

    def rows(self, table: sa.Table, *columns: str) -> list[Any]:
        """What stands in the table, in the order of its first column; bare values for one column."""
        wanted = [table.c[name] for name in columns] or list(table.c)
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(*wanted).order_by(wanted[0])).all()
        return [row[0] if len(columns) == 1 else tuple(row) for row in found]

    def write(self, statement: str, **values: Any) -> None:
        """Reach into the tables."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def clear(self) -> None:
        """Forget everything."""
        with self.engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(sa.delete(table))

    def close(self) -> None:
        """Let go of the connection."""
        with contextlib.suppress(psycopg.Error):
            self._proxy.close()


class ContendedTransaction(Transaction):
    """
    A transaction beside others that hold some keys.

    :param is_held: tells whether another one holds a key.
    """

    __slots__ = ("_is_held",)

    def __init__(self, tx: Transaction, is_held: Callable[[str], bool]) -> None:
        super().__init__(tx._cursor, tx._dialect)
        self._is_held = is_held

    @property
    def exclusive(self) -> bool:
        """See `Transaction`."""
        return False

    def try_lock(self, key: str) -> bool:
        """See `Transaction`."""
        return not self._is_held(key)


class StoreCase(SynchronousTestCase):
    """A case with a database."""

    # Figures for Hypothesis: a statement on PostgreSQL is a round trip.
    examples = 100
    store: Store

    def setUp(self) -> None:
        """Bring an empty database with all tables."""
        self.store = Store(self.engine())
        self.addCleanup(self.store.close)

    def engine(self) -> Engine:
        """Of an empty database."""
        raise NotImplementedError


class OnSqlite:
    """Runs a case on a SQLite file."""

    __test__ = True

    def engine(self: Any) -> Engine:
        """Of a file that goes with the test."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        engine = open_engine(sqlite_url(directory.name))
        with engine.begin() as connection:
            # Tests of rules do not wait for the disk.
            connection.exec_driver_sql("PRAGMA synchronous = OFF")
            metadata.create_all(connection)
        return engine


@pytest.mark.processes
class OnPostgres:
    """Runs a case on a real PostgreSQL."""

    __test__ = True
    examples = 25

    def engine(self) -> Engine:
        """Of the one database that all cases of rules share, emptied."""
        engine = _shared_postgres()
        with engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(sa.delete(table))
        return engine


@cache
def _shared_postgres() -> Engine:
    engine = open_engine(new_postgres_url())
    metadata.create_all(engine)
    return engine
