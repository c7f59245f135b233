"""
SQL, compiled once: a SQLAlchemy Core construct becomes the text that a driver takes, once a dialect.

Owns `Statement`, and `Transaction`, through which operations run statements. Going through Core at each
execution costs ten times what SQLite needs for the statement itself; the construct and its portability
are Core's all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, cast

from sqlalchemy import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]


class Statement:
    """
    A Core construct whose values are all named `bindparam`s or literals.

    Values go to the driver as they are: columns are numbers, texts and booleans, which need no help.
    """

    __slots__ = ("_compiled", "_construct")

    def __init__(self, construct: ClauseElement) -> None:
        self._construct = construct
        self._compiled: dict[str, tuple[str, Callable[[Parameters], Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, Callable[[Parameters], Any]]:
        """The SQL text, and what turns named values into the form that the driver wants."""
        style = dialect.name + dialect.paramstyle
        known = self._compiled.get(style)
        if known is None:
            known = self._compiled[style] = self._compile(dialect)
        return known

    def _compile(self, dialect: Dialect) -> tuple[str, Callable[[Parameters], Any]]:
        compiler = cast("SQLCompiler", self._construct.compile(dialect=dialect))
        literals = {k: v for k, v in compiler.params.items() if v is not None}
        if compiler.positiontup is None:
            return str(compiler), (lambda given: {**literals, **given}) if literals else dict
        names = tuple(compiler.positiontup)
        if literals:
            return str(compiler), lambda given: tuple(map({**literals, **given}.__getitem__, names))
        if len(names) < 2:
            return str(compiler), lambda given: tuple(given[name] for name in names)
        return str(compiler), itemgetter(*names)


def prepare(construct: ClauseElement) -> Statement:
    """A statement for an operation to run; made once, when its module is imported."""
    return Statement(construct)


class Cursor(Protocol):
    """As much of a DB-API cursor as is needed."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: Any, parameters: Any = ..., /) -> object: ...
    def executemany(self, sql: Any, parameters: Any, /) -> object: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


def _alone(_key: str) -> bool:
    """Where there is one writer at a time, nobody has to wait for a turn."""
    return True


class KeyTaken(Exception):
    """Another transaction has the turn of a key that an operation found that it needs."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


class Transaction:
    """
    What an operation sees of the database. It runs statements; it never commits.

    Rows are plain tuples in the order of the statement's columns.
    """

    __slots__ = ("_cursor", "_dialect", "_later", "_try_lock", "news")

    def __init__(
        self, cursor: Cursor, dialect: Dialect, try_lock: Callable[[str], bool] = _alone
    ) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self._try_lock = try_lock
        self._later: dict[Statement, list[Parameters]] = {}
        # What other instances are told at the commit: by key, a mailbox's row and newest message.
        self.news: dict[str, tuple[int, int]] = {}

    @property
    def alone(self) -> bool:
        """Whether no other transaction can be under way, so that what was read still holds."""
        return self._try_lock is _alone

    def try_lock(self, key: str) -> bool:
        """Take the turn of `key` (see `Ledger.submit`) until the commit, unless another has it."""
        return self._try_lock(key)

    def take(self, key: str) -> None:
        """
        Take the turn of a key that was not known when the operation was submitted.

        :raises KeyTaken: another has it; for the ledger, which begins again with that key among its own.
        """
        if not self._try_lock(key):
            raise KeyTaken(key)

    def all(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Every row."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        return self._cursor.fetchall()

    def one(self, statement: Statement, **values: Any) -> Row | None:
        """The only row, or None."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        rows = self._cursor.fetchall()
        return rows[0] if rows else None

    def last(self, statement: Statement, **values: Any) -> Row | None:
        """
        The only row, or None, for an operation that asks nothing behind it: who waits for its turns need
        not wait for the answer.
        """
        return self.one(statement, **values)

    def each(self, statement: Statement, **values: Any) -> Iterator[Row]:
        """Row by row, for who may have enough before the last; ends with the next statement."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        while (row := self._cursor.fetchone()) is not None:
            yield row

    def run(self, statement: Statement, **values: Any) -> None:
        """There is nothing to fetch, and nothing to wait for before the commit."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))

    def count(self, statement: Statement, **values: Any) -> int:
        """There is nothing to fetch; the number of rows that it touched."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.execute(sql, bind(values))
        return self._cursor.rowcount

    def many(self, statement: Statement, rows: Iterable[Parameters]) -> None:
        """The same statement for each of `rows`; as `run` otherwise."""
        sql, bind = statement.compiled(self._dialect)
        self._cursor.executemany(sql, [bind(row) for row in rows])

    def later(self, statement: Statement, **values: Any) -> None:
        """
        Run it before the commit, together with the others of its kind.

        For what no operation of the same batch reads.
        """
        self._later.setdefault(statement, []).append(values)

    def finish(self) -> None:
        """Run what was put off. For whoever commits."""
        later, self._later = self._later, {}
        for statement, rows in later.items():
            self.many(statement, rows)
