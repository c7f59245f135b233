"""
Rows on their way from one database to another, and how many there are.

Owns the copying of tables that both have, between SQLite and PostgreSQL in any direction, and of the
numbers that were given last: a mailbox's is never given twice, and a copy has to go on where it stopped.
Begins and commits no transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table

# Rows in one statement: a few megabytes at most, as large as messages may be.
_ROWS = 500

# Of alembic's one row the copy has its own.
_NOT_COPIED = "alembic_version"


def tables(connection: Connection) -> Sequence[Table]:
    """The tables of a SQLite file, as they really are: they serve for PostgreSQL as well."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != _NOT_COPIED]


def count(connection: Connection, which: Sequence[Table]) -> Mapping[str, int]:
    """How many rows each table has."""
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in which
    }


def copy(source: Connection, target: Connection, which: Sequence[Table]) -> None:
    """Every row of `which`, into tables that are empty."""
    for table in which:
        rows = source.execute(
            sa.select(table).order_by(*table.primary_key), execution_options={"yield_per": _ROWS}
        )
        for some in rows.mappings().partitions(_ROWS):
            target.execute(sa.insert(table).inline(), [dict(row) for row in some])
    for name, number in _last_numbers(source, which):
        _give_from(target, name, number)


def empty(connection: Connection, which: Sequence[Table]) -> None:
    """Delete every row."""
    for table in which:
        if connection.dialect.name == "sqlite":
            connection.execute(sa.delete(table))
        else:
            connection.exec_driver_sql(f'TRUNCATE TABLE "{table.name}"')


def told(counts: Mapping[str, int]) -> str:
    """`1 nameplate, 2 mailboxes, 10 messages, 411 usage records`."""
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


def _last_numbers(connection: Connection, which: Sequence[Table]) -> Iterator[tuple[str, int]]:
    """The highest number that each table ever gave to a row, as far as the database knows."""
    if connection.dialect.name == "sqlite":
        numbers = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
        given: dict[str, int] = {row.name: row.seq for row in numbers}
        for table in which:
            if "id" in table.c:
                highest = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one()
                yield table.name, max(given.get(table.name, 0), highest or 0)
        return
    last = sa.text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, 'id')::regclass)")
    for table in which:
        if "id" in table.c:
            yield table.name, connection.execute(last, {"name": table.name}).scalar_one() or 0


def _give_from(connection: Connection, table: str, number: int) -> None:
    """Let `table` give higher numbers only."""
    if connection.dialect.name == "sqlite":
        # Only the tables that must not give a number twice have a row here.
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
        # It is not taken back with the transaction: so it may only ever go up.
        connection.execute(
            sa.text(
                "SELECT setval(sequence, greatest(coalesce(pg_sequence_last_value(sequence), 1), "
                ":number)) FROM (SELECT pg_get_serial_sequence(:name, 'id')::regclass AS sequence)"
                " AS the_sequence"
            ),
            {"name": table, "number": number},
        )
