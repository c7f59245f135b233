"""
Reports: usage statistics as a text table or as CSV. No I/O.

Owns the columns, their names and their order; scripts rely on those of the CSV. Clients choose the names that
stand in a report, so these are written in a way that neither a terminal nor a spreadsheet executes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import attrs

from rendezvous.protocol.moods import Mood
from wormhole_server.config.quoting import printable
from wormhole_server.metrics.history import DAY
from wormhole_server.usage.report.statistics import (
    KEY_COLUMNS,
    Grouping,
    GroupKey,
    UsageStatistics,
)

# Clients can invent any number of names.
_LONGEST_TABLE = 100
_WIDEST_CELL = 50

_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@attrs.frozen
class _Column:
    """
    One statistic.

    :ivar name: at the head of the CSV.
    :ivar head: at the head of the table.
    :ivar value: reads it; None where there is none.
    :ivar shown: formats it for the table.
    """

    name: str
    head: str
    value: Callable[[UsageStatistics], int | None]
    shown: Callable[[int], str] = "{:,}".format


def as_csv(groups: Mapping[GroupKey, UsageStatistics], grouping: Grouping) -> str:
    """Return all groups with plain numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = _COLUMNS[grouping]
    writer.writerow([*KEY_COLUMNS[grouping], *(column.name for column in columns)])
    for key, statistics in _ordered(groups, grouping):
        values = [column.value(statistics) for column in columns]
        writer.writerow([*map(_without_formula, _key(key, grouping)), *values])
    return out.getvalue()


def as_table(groups: Mapping[GroupKey, UsageStatistics], grouping: Grouping) -> Iterator[str]:
    """Yield the lines of a table; the last ones are the sum, and a remark where groups are left out."""
    columns = _COLUMNS[grouping]
    ordered = list(_ordered(groups, grouping))
    rows = [
        [*map(_short, _key(key, grouping)), *_shown(columns, statistics)]
        for key, statistics in (
            ordered[-_LONGEST_TABLE:] if grouping is Grouping.DAY else ordered[:_LONGEST_TABLE]
        )
    ]
    total = UsageStatistics()
    for _, statistics in ordered:
        total.add(statistics)
    keys = KEY_COLUMNS[grouping]
    head = [*keys, *(column.head for column in columns)]
    last = ["all", *[""] * (len(keys) - 1), *_shown(columns, total)]
    table = [head, *rows, last]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    for cells in table:
        left = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)][: len(keys)]
        right = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)][len(keys) :]
        yield "  ".join([*left, *right]).rstrip()
    if len(rows) < len(ordered):
        yield f"{len(ordered) - len(rows):,} more are included in the sum; --csv lists all of them."


def _ordered(
    groups: Mapping[GroupKey, UsageStatistics], grouping: Grouping
) -> Iterable[tuple[GroupKey, UsageStatistics]]:
    # Days in order and without gaps, apps and clients by how much they are used.
    if grouping is not Grouping.DAY:
        return sorted(
            groups.items(), key=lambda item: (-item[1].clients, -item[1].mailboxes, item[0])
        )
    days = [key[0] for key in groups]
    every = range(min(days), max(days) + 1) if days else []
    return [((day,), groups.get((day,), UsageStatistics())) for day in every]


def _key(key: GroupKey, grouping: Grouping) -> Sequence[str]:
    if grouping is Grouping.DAY:
        return [datetime.fromtimestamp(key[0] * DAY, UTC).date().isoformat()]
    return [printable(part) for part in key]


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 1]}…"


def _without_formula(text: str) -> str:
    # A spreadsheet would take such a text for a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _shown(columns: Sequence[_Column], statistics: UsageStatistics) -> list[str]:
    values = ((column, column.value(statistics)) for column in columns)
    return ["-" if value is None else column.shown(value) for column, value in values]


def _size(size: int) -> str:
    amount, units = float(size), list(_BYTE_UNITS)
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:.1f} {units[0]}" if amount != size else f"{size} {units[0]}"


def _duration(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _mood(mood: Mood) -> Callable[[UsageStatistics], int]:
    return lambda statistics: statistics.moods[mood]


_CLIENTS = _Column("clients", "clients", lambda statistics: statistics.clients)
_EXCHANGES = (
    _Column("nameplates", "nameplates", lambda statistics: statistics.nameplates),
    _Column("mailboxes", "mailboxes", lambda statistics: statistics.mailboxes),
    *(_Column(mood.value, mood.value, _mood(mood)) for mood in Mood),
    _Column("median_seconds", "median", lambda statistics: statistics.quantile(0.5), _duration),
    _Column("p90_seconds", "90%", lambda statistics: statistics.quantile(0.9), _duration),
)
_RELAY = (
    _Column("relay_connections", "relayed", lambda statistics: statistics.relay_connections),
    _Column("relay_pairs", "pairs", lambda statistics: statistics.relay_pairs),
    _Column("relay_bytes", "bytes", lambda statistics: statistics.relay_bytes, _size),
)
_COLUMNS: Mapping[Grouping, Sequence[_Column]] = {
    Grouping.DAY: (*_EXCHANGES, _CLIENTS, *_RELAY),
    Grouping.APP: (*_EXCHANGES, _CLIENTS),
    Grouping.CLIENT: (_CLIENTS,),
}
