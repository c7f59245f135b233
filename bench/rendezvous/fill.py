"""
Makes a hundred thousand nameplates live in a database without as many clients.

Knows no schema. A client claims one nameplate of every length; what the server then wrote, in
whichever tables, is copied with other nameplates and mailboxes in it. So the rows are such as the
server itself makes, and a column that depends on the length of a nameplate is right as well.
"""

import random
import string
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa

_MAILBOX_LETTERS = string.ascii_lowercase + "234567"
_ROWS_AT_ONCE = 10_000

# A row by column name. The schema is found at run time, so the values can be anything.
_Row = dict[str, Any]


@attrs.frozen
class Claimed:
    """A nameplate that a client holds, and the mailbox it was given."""

    nameplate: str
    mailbox: str


def lengths(nameplates: Iterable[int]) -> dict[int, list[str]]:
    """`nameplates` by the number of their digits."""
    found: dict[int, list[str]] = defaultdict(list)
    for nameplate in nameplates:
        found[len(str(nameplate))].append(str(nameplate))
    return dict(found)


def copy_rows(database: Path, templates: Sequence[Claimed], nameplates: Iterable[int]) -> None:
    """
    Put `nameplates` into the SQLite file `database`, like `templates`.

    :param templates: one of each length, live in `database`, and not among `nameplates`.
    """
    wanted = lengths(nameplates)
    engine = sa.create_engine(f"sqlite:///{database}")
    metadata = sa.MetaData()
    with engine.begin() as connection:
        metadata.reflect(connection)
        for template in templates:
            names = wanted.get(len(template.nameplate), [])
            copies = [Claimed(name, _mailbox()) for name in names]
            _copy(connection, metadata.sorted_tables, template, copies)
    engine.dispose()


def _copy(
    connection: sa.Connection,
    tables: Sequence[sa.Table],
    template: Claimed,
    copies: Sequence[Claimed],
) -> None:
    # For a counted key of a row that has been copied: that key, and the first of its copies'.
    keys: dict[tuple[str, str], tuple[int, int]] = {}
    marks = {template.nameplate, template.mailbox}
    for table in tables:
        own_key = _counted_key(table)
        for row in [dict(row) for row in connection.execute(sa.select(table)).mappings()]:
            counted = _pointers(table, row, keys)
            if not counted and marks.isdisjoint(v for v in row.values() if isinstance(v, str)):
                continue
            if own_key is not None:
                first = 1 + connection.execute(sa.select(sa.func.max(own_key))).scalar_one()
                keys[table.name, own_key.name] = (row[own_key.name], first)
                counted[own_key.name] = first
            rows = [_like(row, template, copy, i, counted) for i, copy in enumerate(copies)]
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                connection.execute(sa.insert(table), rows[start : start + _ROWS_AT_ONCE])


def _counted_key(table: sa.Table) -> sa.Column[Any] | None:
    columns = list(table.primary_key.columns)
    if len(columns) == 1 and isinstance(columns[0].type, sa.Integer):
        return columns[0]
    return None


def _pointers(
    table: sa.Table, row: _Row, keys: dict[tuple[str, str], tuple[int, int]]
) -> dict[str, int]:
    """The columns of `row` that point to a row that has been copied: where its copies begin."""
    found = {}
    for column in table.columns:
        for foreign in column.foreign_keys:
            key = keys.get((foreign.column.table.name, foreign.column.name))
            if key is not None and key[0] == row[column.name]:
                found[column.name] = key[1]
    return found


def _like(
    row: _Row, template: Claimed, copy: Claimed, number: int, counted: dict[str, int]
) -> _Row:
    texts = {template.nameplate: copy.nameplate, template.mailbox: copy.mailbox}
    same = {
        column: texts.get(value, value) if isinstance(value, str) else value
        for column, value in row.items()
    }
    return {**same, **{column: first + number for column, first in counted.items()}}


def _mailbox() -> str:
    return "".join(random.choices(_MAILBOX_LETTERS, k=13))
