"""
The transaction as an operation sees it: it runs statements, locks keys and announces messages.

Never commits and never rolls back: a runner does. This class runs statements on a DB-API cursor, one after
the other; `pipelined_batch` has the one for PostgreSQL, where operations run side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

from sqlalchemy import Dialect

from rendezvous.ledger.statements import Parameters, Query, Statement

T = TypeVar("T")


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: Any, parameters: Any = ..., /) -> object: ...
    def executemany(self, sql: Any, parameters: Any, /) -> object: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class KeyTaken(Exception):
    """Another transaction holds a key that an operation found that it needs."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


class Transaction:
    """
    A transaction that is the only one under way, as on SQLite.

    :ivar announced: what other instances are told at the commit: by mailbox key, the id of the mailbox's
        row and the number of its newest message.
    :ivar checkpoint: set by an operation after which SQLite's log is to be written back.
    :ivar wrote: set by an operation that has changed the database though it has changed no row.
    """

    __slots__ = ("_cursor", "_deferred", "_dialect", "announced", "checkpoint", "wrote")

    def __init__(self, cursor: Cursor, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self._deferred: dict[Statement, list[Parameters]] = {}
        self.announced: dict[str, tuple[int, int]] = {}
        self.wrote = False
        self.checkpoint = False

    @property
    def exclusive(self) -> bool:
        """Whether no other transaction can be under way, so that what was read still holds."""
        return True

    def try_lock(self, key: str) -> bool:  # noqa: ARG002 - there is no other transaction
        """
        Lock a key until the commit, without waiting for another transaction.

        :param key: see `Ledger.submit`.
        :return: False if another transaction holds it.
        """
        return True

    def lock(self, key: str) -> None:
        """
        Lock a key that was not known when the operation was submitted.

        :raises KeyTaken: another transaction holds it. The runner catches this: it runs the batch again,
            with that key locked from the start.
        """
        if not self.try_lock(key):
            raise KeyTaken(key)

    def announce(self, key: str, mailbox_id: int, number: int) -> None:
        """
        Tell other instances of a stored message, if the transaction is committed.

        :param key: the mailbox's.
        :param mailbox_id: the id of its row.
        :param number: the message's.
        """
        self.announced[key] = mailbox_id, number

    def all(self, query: Query[T], **values: Any) -> list[T]:
        """Fetch every row."""
        sql, bind = query.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        return [query.read(row) for row in self._cursor.fetchall()]

    def one(self, query: Query[T], **values: Any) -> T | None:
        """Fetch the only row; None if there is none."""
        sql, bind = query.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        rows = self._cursor.fetchall()
        return query.read(rows[0]) if rows else None

    def each(self, query: Query[T], **values: Any) -> Iterator[T]:
        """Fetch row by row, for a caller that may stop early. The next statement ends it."""
        sql, bind = query.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        while (row := self._cursor.fetchone()) is not None:
            yield query.read(row)

    def run(self, statement: Statement, **values: Any) -> None:
        """Run a statement without waiting for its outcome. If it fails, so does the batch."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))

    def count(self, statement: Statement, **values: Any) -> int:
        """Run a statement; return the number of rows that it changed."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        return self._cursor.rowcount

    def many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        """Run a statement once for each of `rows`, like `run`."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.executemany(sql, [bind(row) for row in rows])

    def later(self, statement: Statement, **values: Any) -> None:
        """Run a statement before the commit, for what no operation of the batch reads."""
        self._deferred.setdefault(statement, []).append(values)

    def finish(self) -> None:
        """Run the statements that `later` was given. Called by the runner before the commit."""
        deferred, self._deferred = self._deferred, {}
        for statement, rows in deferred.items():
            self.many(statement, rows)
