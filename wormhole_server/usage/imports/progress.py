"""
Import progress: how much of a usage database has been imported before.

Owns the rows of `usage_imports`. A usage database only grows at its end, so a file is recognised by its
beginning: for each table that was imported there are the number of its records and a digest of them all. A
file that begins with these records is the same one, whatever its name and however much it has grown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy import Connection

from wormhole_server.database.schema import usage_imports
from wormhole_server.errors import StartError
from wormhole_server.usage.imports.formats import RecordKind


class RecordDigest:
    """The digest of the first records of a table."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, record: Sequence[Any]) -> None:
        """Take in the next record."""
        self._hash.update(json.dumps(list(record), default=repr).encode() + b"\n")

    def value(self) -> str:
        """Return the digest of all records so far."""
        return self._hash.hexdigest()


@attrs.frozen
class ImportProgress:
    """
    How much of a table has been imported.

    :ivar records: how many of its records, from the first on.
    :ivar row_id: the row of `usage_imports` that says so; None where there is none yet.
    """

    records: int = 0
    row_id: int | None = None

    def save(
        self, connection: Connection, kind: RecordKind, records: int, digest: str, now: float
    ) -> ImportProgress:
        """
        Note that the import has got further, in the caller's transaction.

        :param now: seconds since the epoch.
        :raises StartError: another process imports the same table.
        """
        state = {"records": records, "digest": digest, "imported": now}
        if self.row_id is None:
            insert = sa.insert(usage_imports).values(kind=kind.value, **state)
            row_id = connection.execute(insert.returning(usage_imports.c.id)).scalar_one()
            return ImportProgress(records, int(row_id))
        behind = usage_imports.c.records < records
        update = sa.update(usage_imports).where(usage_imports.c.id == self.row_id, behind)
        if connection.execute(update.values(**state)).rowcount != 1:
            raise StartError("another import of the same file is running; wait until it has ended")
        return ImportProgress(records, self.row_id)


def find_progress(
    connection: Connection, kind: RecordKind, records: Iterable[Sequence[Any]]
) -> ImportProgress:
    """
    Find the longest beginning of a table that was imported before.

    :param records: all records of the table, as they stand in the file.
    """
    columns = usage_imports.c
    known = {
        (row.records, row.digest): ImportProgress(row.records, row.id)
        for row in connection.execute(
            sa.select(columns.records, columns.digest, columns.id).where(columns.kind == kind.value)
        )
    }
    lengths = {length for length, _ in known}
    best = ImportProgress()
    digest = RecordDigest()
    for number, record in enumerate(records, start=1):
        if number > max(lengths, default=0):
            break
        digest.add(record)
        if number in lengths:
            best = known.get((number, digest.value()), best)
    return best
