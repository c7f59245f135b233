"""
Usage records of another server into the database, each of them once, however often a file is imported.

Owns the steps: the file is copied, recognised and walked through; what lies beyond its known beginning (see
`imports`) is added in short transactions, each of which notes how far it got. Servers may run meanwhile,
and what is interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import attrs
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from wormhole_server.durations import Seconds, format_duration
from wormhole_server.errors import StartError
from wormhole_server.existing import opened, transaction
from wormhole_server.sqlite_copy import private_copy
from wormhole_server.usage_import.formats import Format, Kind, recognise
from wormhole_server.usage_import.imports import usage_imports

# A few milliseconds in which nobody else writes to SQLite, and time for the others between them.
_BATCH_ROWS = 500
_BREATH_SECONDS = 0.02

_HINT = "name the usage database of another server"


class _Digest(Protocol):
    """As much of a hash as is needed."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@attrs.frozen
class Outcome:
    """
    What became of the records of one kind.

    :ivar imported: are in the database now.
    :ivar known: had been imported before.
    :ivar old: were left out, since the server would delete them for their age.
    :ivar unreadable: were left out, since they say nothing that can be kept.
    """

    kind: Kind
    imported: int
    known: int
    old: int
    unreadable: int


@attrs.frozen
class Imported:
    """What was taken from a file, and which server had written it."""

    program: str
    outcomes: Sequence[Outcome]


@attrs.frozen
class _Part:
    """
    A table of theirs, beyond what was imported from it before.

    :ivar row_id: of the row in `usage_imports` that says how far that was; None: nothing was.
    :ivar known: how many records that was.
    """

    format: Format
    row_id: int | None
    known: int


@attrs.frozen
class Importer:
    """
    How records are taken.

    :ivar blur_seconds: as for the server's own records.
    :ivar retention_seconds: the age at which the server deletes them; None: never.
    :ivar leave_old: whether records older than that are left out; otherwise they are a reason to refuse.
    :ivar now: seconds since the epoch.
    :ivar pause: waits for some seconds.
    """

    blur_seconds: float | None
    retention_seconds: float | None
    leave_old: bool
    now: float
    pause: Callable[[float], object]

    def take(self, path: Path, url: URL) -> Imported:
        """
        Import what the file has beyond what was imported from it before.

        :raises StartError: the file is none that can be imported, or the database cannot be used.
        """
        with private_copy(path, _HINT) as copy, closing(sqlite3.connect(copy)) as source:
            source.text_factory = _forgiving
            try:
                program, formats = recognise(str(path), _columns(source))
                with opened(url) as engine:
                    parts = [_beyond(source, engine, each) for each in formats]
                    if not self.leave_old:
                        self._refuse_old(source, parts, path)
                    outcomes = [self._take_all(source, engine, each) for each in parts]
            except sqlite3.Error as error:
                raise StartError(f"{path}: cannot be read ({error}); {_HINT}") from error
        return Imported(program, outcomes)

    def _is_old(self, started: float) -> bool:
        return self.retention_seconds is not None and started < self.now - self.retention_seconds

    def _refuse_old(self, source: sqlite3.Connection, parts: Sequence[_Part], path: Path) -> None:
        old = total = 0
        for part in parts:
            for row in islice(_rows(source, part.format), part.known, None):
                values = part.format.convert(row, None)
                if values is not None:
                    total += 1
                    old += self._is_old(values["started"])
        if old:
            age = format_duration(Seconds(self.retention_seconds or 0))
            raise StartError(
                f"{path}: {old:,} of its {total:,} new records are older than usage-retention ({age}), so "
                "the server would delete them at once; let it keep them for longer "
                "(--usage-retention=none), or add --leave-old to leave them out for good"
            )

    def _take_all(self, source: sqlite3.Connection, engine: Engine, part: _Part) -> Outcome:
        which, row_id, known = part.format, part.row_id, part.known
        digest = hashlib.sha256()
        number = imported = old = unreadable = 0
        waiting: list[dict[str, Any]] = []
        rows = _rows(source, which)
        for number, row in enumerate(rows, start=1):
            _add(digest, row)
            if number <= known:
                continue
            values = which.convert(row, None)
            if values is None:
                unreadable += 1
            elif self._is_old(values["started"]):
                old += 1
            else:
                waiting.append(which.convert(row, self.blur_seconds) or {})
            if (number - known) % _BATCH_ROWS == 0:
                row_id = self._write(engine, which, waiting, row_id, number, digest.hexdigest())
                imported += len(waiting)
                waiting = []
                self.pause(_BREATH_SECONDS)
        if number > known:
            self._write(engine, which, waiting, row_id, number, digest.hexdigest())
            imported += len(waiting)
        return Outcome(which.kind, imported, known, old, unreadable)

    def _write(
        self,
        engine: Engine,
        which: Format,
        values: Sequence[dict[str, Any]],
        row_id: int | None,
        number: int,
        digest: str,
    ) -> int:
        """One batch, and how far it got, together. Returns the row that says so."""
        state = {"records": number, "digest": digest, "imported": self.now}
        with transaction(engine) as connection:
            if values:
                connection.execute(sa.insert(which.target).inline(), values)
            if row_id is None:
                row = sa.insert(usage_imports).values(kind=which.kind.value, **state)
                return int(connection.execute(row.returning(usage_imports.c.id)).scalar_one())
            after = usage_imports.c.records < number
            update = sa.update(usage_imports).where(usage_imports.c.id == row_id, after)
            if connection.execute(update.values(**state)).rowcount != 1:
                raise StartError("another import of the same file is going on; wait for its end")
        return row_id


def _beyond(source: sqlite3.Connection, engine: Engine, which: Format) -> _Part:
    """What is new: all beyond the longest beginning of the file that was imported before."""
    statement = sa.select(
        usage_imports.c.records, usage_imports.c.digest, usage_imports.c.id
    ).where(usage_imports.c.kind == which.kind.value)
    with engine.connect() as connection:
        found = connection.execute(statement).all()
    by_number: dict[int, dict[str, int]] = {}
    for records, digest, row_id in found:
        by_number.setdefault(records, {})[digest] = row_id
    best = _Part(which, None, 0)
    running = hashlib.sha256()
    last = max(by_number, default=0)
    for number, row in enumerate(_rows(source, which), start=1):
        if number > last:
            break
        _add(running, row)
        if number in by_number:
            matching = by_number[number].get(running.hexdigest())
            best = best if matching is None else _Part(which, matching, number)
    return best


def _rows(source: sqlite3.Connection, which: Format) -> Iterator[Sequence[Any]]:
    columns = ", ".join(f'"{each}"' for each in which.columns)
    # In the order in which they were written. Names are ours, not the file's.
    return source.execute(f'SELECT {columns} FROM "{which.table}" ORDER BY rowid')  # noqa: S608


def _columns(source: sqlite3.Connection) -> dict[str, list[str]]:
    tables = source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        table: [
            name for (name,) in source.execute("SELECT name FROM pragma_table_info(?)", (table,))
        ]
        for (table,) in tables
    }


def _add(digest: _Digest, row: Sequence[Any]) -> None:
    digest.update(json.dumps(row, default=repr).encode() + b"\n")


def _forgiving(raw: bytes) -> str:
    """What clients sent need not be UTF-8."""
    return raw.decode(errors="replace")
