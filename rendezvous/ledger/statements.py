"""
Prepared statements: a SQLAlchemy Core construct, compiled once per dialect, and what its rows become.

Owns the way from named values to a driver's parameters, and from a driver's rows to values by column name.
Runs nothing: `transaction` does. Executing a construct through Core costs ten times what SQLite needs for
the statement itself; only the construct and its portability are taken from Core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast, overload

import attrs
from sqlalchemy import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

T = TypeVar("T")
A = TypeVar("A", bound=attrs.AttrsInstance)
B = TypeVar("B", bound=attrs.AttrsInstance)
Row = tuple[Any, ...]
Parameters = Mapping[str, Any]
Bind = Callable[[Parameters], Any]


class Statement:
    """
    A statement that returns no rows; see `prepare`.

    Values go to the driver unchanged: the columns are numbers, texts and booleans, which every driver takes.
    """

    __slots__ = ("_compiled", "_construct")

    def __init__(self, construct: ClauseElement) -> None:
        self._construct = construct
        self._compiled: dict[Dialect, tuple[str, Bind]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, Bind]:
        """
        Compile the statement, the first time for a dialect.

        :return: the SQL text, and a function from named values to the parameters that the driver takes.
        """
        known = self._compiled.get(dialect)
        if known is None:
            known = self._compiled[dialect] = self._compile(dialect)
        return known

    def _compile(self, dialect: Dialect) -> tuple[str, Bind]:
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


class Query(Statement, Generic[T]):
    """
    A statement that returns rows; see `prepare_query` and `prepare_value`.

    :ivar read: makes a value of a row.
    """

    __slots__ = ("read",)

    def __init__(self, construct: ClauseElement, read: Callable[[Row], T]) -> None:
        super().__init__(construct)
        self.read = read


def prepare(construct: ClauseElement) -> Statement:
    """
    Make a statement that returns no rows. Made once, when its module is imported.

    :param construct: its values are all named `bindparam`s or literals.
    """
    return Statement(construct)


def prepare_value(construct: ClauseElement, _kind: type[T]) -> Query[T]:
    """
    Make a query for a single column.

    :param _kind: the column's type.
    """
    return Query(construct, itemgetter(0))


@overload
def prepare_query(construct: ClauseElement, first: type[A], /) -> Query[A]: ...
@overload
def prepare_query(
    construct: ClauseElement, first: type[A], second: type[B], /
) -> Query[tuple[A, B | None]]: ...
def prepare_query(
    construct: ClauseElement,
    first: type[attrs.AttrsInstance],
    second: type[attrs.AttrsInstance] | None = None,
    /,
) -> Query[Any]:
    """
    Make a query whose rows become values, each field taken from the column of its name.

    :param second: a class for the table on the right of an outer join, None where that has no row.
    :raises ValueError: a field without a default has no column.
    """
    names = [column.key for column in cast("Any", construct).exported_columns]
    read_first = _reader(names, first)
    if second is None:
        return Query(construct, read_first)
    read_second = _reader(names, second)
    # No column of ours that is a table's first may be NULL.
    key = names.index(attrs.fields(second)[0].name)
    return Query(
        construct,
        lambda row: (read_first(row), None if row[key] is None else read_second(row)),
    )


def _reader(names: list[str], kind: type[A]) -> Callable[[Row], A]:
    fields = attrs.fields(kind)
    wanted = [each.name for each in fields if each.name in names or each.default is attrs.NOTHING]
    missing = set(wanted) - set(names)
    if missing or wanted != [each.name for each in fields][: len(wanted)]:
        raise ValueError(f"{kind.__name__} cannot be made of the columns {names}")
    # Names are looked up here, once; the row of a driver is a tuple in the order of the columns.
    if wanted == names:
        return lambda row: kind(*row)
    places = [names.index(name) for name in wanted]
    return lambda row: kind(*[row[place] for place in places])
