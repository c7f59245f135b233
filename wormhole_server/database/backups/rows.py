"""
Copying rows between databases, and counting them.

Owns the copying of tables that two databases share, between SQLite and PostgreSQL in either direction, and of
the last number that each table has given to a row: a mailbox number is never given twice, and the copy has to
continue where the original stopped. Begins and commits no transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table

# Rows in one statement: a few megabytes at most, as large as messages may be.
_BATCH_ROWS = 500

# alembic writes the one row of this table itself.
_NOT_COPIED = "alembic_version"


def reflect_tables(connection: Connection) -> Sequence[Table]:
    """Read the tables of a SQLite file, in an order that respects references; they fit PostgreSQL as well."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != _NOT_COPIED]


def count_rows(connection: Connection, tables: Sequence[Table]) -> Mapping[str, int]:
    """Count the rows of each table, by its name."""
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in tables
    }


def copy_rows(source: Connection, target: Connection, tables: Sequence[Table]) -> None:
    """Copy every row into tables that are empty, and the last number of each table."""
    for table in tables:
        rows = source.execute(
            sa.select(table).order_by(*table.primary_key),
            execution_options={"yield_per": _BATCH_ROWS},
        )
        for batch in rows.mappings().partitions(_BATCH_ROWS):
            target.execute(sa.insert(table).inline(), [dict(row) for row in batch])
    for name, number in _last_numbers(source, tables):
        _continue_numbers(target, name, number)


def delete_rows(connection: Connection, tables: Sequence[Table]) -> None:
    """Delete every row."""
    for table in tables:
        if connection.dialect.name == "sqlite":
            connection.execute(sa.delete(table))
        else:
            connection.exec_driver_sql(f'TRUNCATE TABLE "{table.name}"')


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return counts by table as `1 nameplate, 2 mailboxes, 10 messages, 411 usage records`."""
    usage = sum(each for name, each in counts.items() if name.endswith("_usage"))
    return ", ".join(
        f"{number:,} {one if number == 1 else many}"
        for number, one, many in (
            (counts.get("nameplates", 0), "nameplate", "nameplates"),
            (counts.get("mailboxes", 0), "mailbox", "mailboxes"),
            (counts.get("messages", 0), "message", "messages"),
            (usage, "usage record", "usage records"),
        )
    )


def _last_numbers(connection: Connection, tables: Sequence[Table]) -> Iterator[tuple[str, int]]:
    """Read the highest number that each table has ever given to a row, as far as the database knows."""
    if connection.dialect.name == "sqlite":
        numbers = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
        given: dict[str, int] = {row.name: row.seq for row in numbers}
        for table in tables:
            if "id" in table.c:
                highest = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one()
                yield table.name, max(given.get(table.name, 0), highest or 0)
        return
    last = sa.text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id')::regclass)")
    for table in tables:
        if "id" in table.c:
            yield table.name, connection.execute(last, {"name": table.name}).scalar_one() or 0


def _continue_numbers(connection: Connection, table: str, number: int) -> None:
    """Make `table` give numbers above `number` only."""
    if connection.dialect.name == "sqlite":
        # sqlite_sequence has rows for tables with AUTOINCREMENT only.
        connection.execute(
            sa.text(
                "INSERT INTO sqlite_sequence (name, seq) SELECT :name, :number WHERE EXISTS "
                "(SELECT 1 FROM sqlite_master WHERE name = :name AND sql LIKE '%AUTOINCREMENT%') "
                "AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)"
            ),
            {"name": table, "number": number},
        )
        connection.execute(
            sa.text("UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :name"),
            {"name": table, "number": number},
        )
    elif number:
        # A rollback does not undo setval: it may only ever raise the number.
        connection.execute(
            sa.text(
                "SELECT setval(sequence, greatest(coalesce(pg_sequence_last_value(sequence), 1), "
                ":number)) FROM (SELECT pg_get_serial_sequence(:name, 'id')::regclass AS sequence)"
                " AS the_sequence"
            ),
            {"name": table, "number": number},
        )
