"""
The importer: copies the usage records of another server into the database, each of them once.

Owns the steps: the file is copied and recognised, and the records beyond those that were imported before
are added in short transactions, each of which saves the progress. Servers may run meanwhile, and an import
that was interrupted continues where it stopped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import attrs
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from wormhole_server.config.durations import Seconds, format_duration
from wormhole_server.database.access import open_current_engine, write_transaction
from wormhole_server.database.files import private_copy
from wormhole_server.errors import StartError
from wormhole_server.usage.imports.formats import RecordKind, TableFormat, Values, recognise
from wormhole_server.usage.imports.progress import ImportProgress, RecordDigest, find_progress

# Servers wait a few milliseconds for a batch on SQLite, and have the time between two.
_BATCH_ROWS = 500
_PAUSE_SECONDS = 0.02

_HINT = "name the usage database of another server"


@attrs.frozen
class ImportCounts:
    """
    What became of the records of one kind.

    :ivar imported: were added to the database.
    :ivar known: had been imported before.
    :ivar old: were left out, because the server would delete them for their age.
    :ivar unreadable: were left out, because they have values that no record here has.
    """

    kind: RecordKind
    imported: int
    known: int
    old: int
    unreadable: int


@attrs.frozen
class ImportResult:
    """
    What was imported from a file.

    :ivar program: the server that wrote it.
    """

    program: str
    counts: Sequence[ImportCounts]


@attrs.frozen
class UsageImporter:
    """
    Imports files.

    :ivar blur_seconds: what the server blurs its own records to; None: they are not blurred.
    :ivar retention_seconds: the age at which the server deletes records; None: never.
    :ivar leave_old: whether older records are left out; otherwise the file is refused.
    :ivar now: seconds since the epoch.
    :ivar pause: waits for the given number of seconds.
    """

    blur_seconds: float | None
    retention_seconds: float | None
    leave_old: bool
    now: float
    pause: Callable[[float], object]

    def import_file(self, path: Path, url: URL) -> ImportResult:
        """
        Import the records of a file that have not been imported before.

        :raises StartError: the file cannot be imported, or the database cannot be used.
        """
        with private_copy(path, _HINT) as copy, closing(sqlite3.connect(copy)) as source:
            # What clients sent need not be UTF-8.
            source.text_factory = lambda raw: raw.decode(errors="replace")
            source.row_factory = sqlite3.Row
            try:
                program, formats = recognise(str(path), _read_columns(source))
                with open_current_engine(url) as engine:
                    begun = [(each, _find_progress(source, engine, each)) for each in formats]
                    if not self.leave_old:
                        self._refuse_old(source, begun, path)
                    counts = [self._import_table(source, engine, *each) for each in begun]
            except sqlite3.Error as error:
                raise StartError(f"{path}: cannot be read ({error}); {_HINT}") from error
        return ImportResult(program, counts)

    def _is_old(self, started: float) -> bool:
        return self.retention_seconds is not None and started < self.now - self.retention_seconds

    def _refuse_old(
        self,
        source: sqlite3.Connection,
        begun: Sequence[tuple[TableFormat, ImportProgress]],
        path: Path,
    ) -> None:
        old = total = 0
        for table, progress in begun:
            for row in islice(_read_rows(source, table), progress.records, None):
                values = table.convert(row, None)
                if values is not None:
                    total += 1
                    old += self._is_old(values["started"])
        if old:
            age = format_duration(Seconds(self.retention_seconds or 0))
            raise StartError(
                f"{path}: {old:,} of its {total:,} new records are older than usage-retention ({age}), "
                "and the server would delete them at once; make it keep records for longer "
                "(--usage-retention=none), or add --leave-old to leave the old ones out for good"
            )

    def _import_table(
        self,
        source: sqlite3.Connection,
        engine: Engine,
        table: TableFormat,
        progress: ImportProgress,
    ) -> ImportCounts:
        known = progress.records
        digest = RecordDigest()
        number = imported = old = unreadable = 0
        batch: list[Values] = []
        for number, row in enumerate(_read_rows(source, table), start=1):
            digest.add(row)
            if number <= known:
                continue
            values = table.convert(row, None)
            if values is None:
                unreadable += 1
            elif self._is_old(values["started"]):
                old += 1
            else:
                batch.append(table.convert(row, self.blur_seconds) or {})
                imported += 1
            if (number - known) % _BATCH_ROWS == 0:
                progress = self._write(engine, table, batch, progress, number, digest)
                batch = []
                self.pause(_PAUSE_SECONDS)
        if number > progress.records:
            self._write(engine, table, batch, progress, number, digest)
        return ImportCounts(table.kind, imported, known, old, unreadable)

    def _write(
        self,
        engine: Engine,
        table: TableFormat,
        batch: Sequence[Values],
        progress: ImportProgress,
        number: int,
        digest: RecordDigest,
    ) -> ImportProgress:
        """Add a batch, and save how far it got, in one transaction."""
        with write_transaction(engine) as connection:
            if batch:
                connection.execute(sa.insert(table.target).inline(), batch)
            return progress.save(connection, table.kind, number, digest.value(), self.now)


def _find_progress(
    source: sqlite3.Connection, engine: Engine, table: TableFormat
) -> ImportProgress:
    with engine.connect() as connection:
        return find_progress(connection, table.kind, _read_rows(source, table))


def _read_rows(source: sqlite3.Connection, table: TableFormat) -> Iterator[sqlite3.Row]:
    columns = ", ".join(f'"{each}"' for each in table.columns)
    # In the order in which they were written. The names are those of `formats`, not of the file.
    return source.execute(f'SELECT {columns} FROM "{table.table}" ORDER BY rowid')  # noqa: S608


def _read_columns(source: sqlite3.Connection) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    found = source.execute(
        "SELECT tables.name AS table_name, columns.name AS column_name "
        "FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table'"
    )
    for row in found:
        columns.setdefault(row["table_name"], []).append(row["column_name"])
    return columns
