"""
Figures of usage as a table for people, or as CSV for programs. Pure.

Owns the columns, their names and their order: those of the CSV are what scripts rely on. What clients call
themselves is theirs: it is written so that neither a terminal nor a spreadsheet obeys it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import attrs

from rendezvous.moods import Mood
from wormhole_server.usage_report.figures import DAY_SECONDS, By, Figures, Key
from wormhole_server.words import printable

# More than anybody reads; hostile clients can make up as many names as they like.
_LONGEST_TABLE = 100
_WIDEST_CELL = 50

_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@attrs.frozen
class _Column:
    """
    A figure, by its name in CSV and at the head of the table.

    :ivar shown: the value as people read it.
    """

    name: str
    head: str
    value: Callable[[Figures], int | None]
    shown: Callable[[int], str] = "{:,}".format


def as_csv(groups: Mapping[Key, Figures], by: By) -> str:
    """All groups, with plain numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = _COLUMNS[by]
    writer.writerow([*_KEYS[by], *(column.name for column in columns)])
    for key, figures in _ordered(groups, by):
        values = [column.value(figures) for column in columns]
        writer.writerow([*map(_harmless, _key(key, by)), *values])
    return out.getvalue()


def as_table(groups: Mapping[Key, Figures], by: By) -> Iterator[str]:
    """Lines, with a sum at the end."""
    columns = _COLUMNS[by]
    ordered = list(_ordered(groups, by))
    rows = [
        [*map(_short, _key(key, by)), *_shown(columns, figures)]
        for key, figures in (
            ordered[-_LONGEST_TABLE:] if by is By.DAY else ordered[:_LONGEST_TABLE]
        )
    ]
    total = Figures()
    for _, figures in ordered:
        total.add(figures)
    keys = _KEYS[by]
    head = [*keys, *(column.head for column in columns)]
    last = ["all", *[""] * (len(keys) - 1), *_shown(columns, total)]
    table = [head, *rows, last]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    for cells in table:
        left = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)][: len(keys)]
        right = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)][len(keys) :]
        yield "  ".join([*left, *right]).rstrip()
    if len(rows) < len(ordered):
        yield f"{len(ordered) - len(rows):,} more are in the sum; --csv has them all."


def _ordered(groups: Mapping[Key, Figures], by: By) -> Iterable[tuple[Key, Figures]]:
    """Days as they come, without gaps; apps and clients by how much they are used."""
    if by is not By.DAY:
        return sorted(
            groups.items(), key=lambda item: (-item[1].clients, -item[1].mailboxes, item[0])
        )
    days = [key[0] for key in groups]
    every = range(min(days), max(days) + 1) if days else []
    return [((day,), groups.get((day,), Figures())) for day in every]


def _key(key: Key, by: By) -> Sequence[str]:
    if by is By.DAY:
        return [datetime.fromtimestamp(key[0] * DAY_SECONDS, UTC).date().isoformat()]
    return [printable(part) for part in key]


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 1]}…"


def _harmless(text: str) -> str:
    """A spreadsheet would take what begins like this for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _shown(columns: Sequence[_Column], figures: Figures) -> list[str]:
    values = ((column, column.value(figures)) for column in columns)
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


def _mood(mood: Mood) -> Callable[[Figures], int]:
    return lambda figures: figures.moods[mood]


_CLIENTS = _Column("clients", "clients", lambda figures: figures.clients)
_EXCHANGES = (
    _Column("nameplates", "nameplates", lambda figures: figures.nameplates),
    _Column("mailboxes", "mailboxes", lambda figures: figures.mailboxes),
    *(_Column(mood.value, mood.value, _mood(mood)) for mood in Mood),
    _Column("median_seconds", "median", lambda figures: figures.quantile(0.5), _duration),
    _Column("p90_seconds", "90%", lambda figures: figures.quantile(0.9), _duration),
)
_RELAY = (
    _Column("relay_connections", "relayed", lambda figures: figures.relay_connections),
    _Column("relay_pairs", "pairs", lambda figures: figures.relay_pairs),
    _Column("relay_bytes", "bytes", lambda figures: figures.relay_bytes, _size),
)
_COLUMNS: Mapping[By, Sequence[_Column]] = {
    By.DAY: (*_EXCHANGES, _CLIENTS, *_RELAY),
    By.APP: (*_EXCHANGES, _CLIENTS),
    By.CLIENT: (_CLIENTS,),
}
_KEYS = {By.DAY: ["day"], By.APP: ["app"], By.CLIENT: ["implementation", "version"]}
