"""
The usage databases of other servers: how one is recognised, and how their records become ours.

Owns the names of their tables and columns, as magic-wormhole-mailbox-server 0.8.0 and
magic-wormhole-transit-relay 0.5.0 write them. Reads no file and writes none.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from rendezvous.protocol.moods import Mood
from rendezvous.rules import schema
from rendezvous.rules.usage import blur_time
from transit_relay.observer import RelayMood
from wormhole_server.database.schema import UNKNOWN_END, relay_usage
from wormhole_server.errors import StartError
from wormhole_server.usage.recorder import blur_size

# The columns of each table of a file.
Columns = Mapping[str, Sequence[str]]
Values = dict[str, Any]

MAILBOX_SERVER = "magic-wormhole-mailbox-server"
TRANSIT_RELAY = "magic-wormhole-transit-relay"

_HINT = f"name the --usage-db file of {MAILBOX_SERVER} or of {TRANSIT_RELAY}"


class RecordKind(enum.Enum):
    """What a record of another server is about. The values are stored in `usage_imports`."""

    NAMEPLATE = "nameplates"  # of the mailbox server
    MAILBOX = "mailboxes"  # of the mailbox server
    CLIENT = "clients"  # of the mailbox server: one for each connection
    RELAY = "relay"  # of the transit relay: one for each pair, and for each connection without one


@attrs.frozen
class TableFormat:
    """
    A table of another server, and how a row of it becomes one of ours.

    :ivar table: its name there.
    :ivar columns: the columns that are read.
    :ivar convert: takes a row and what to blur it to, in seconds; returns the values for `target`, or None
        where the row has values that no record here has.
    """

    kind: RecordKind
    table: str
    columns: Sequence[str]
    target: sa.Table
    convert: Callable[[sqlite3.Row, float | None], Values | None]


def recognise(name: str, found: Columns) -> tuple[str, Sequence[TableFormat]]:
    """
    Find out which server wrote a file.

    :param name: what error messages call the file.
    :return: the server, and the tables that can be imported.
    :raises StartError: no known server wrote it.
    """
    tables = set(found)
    if "alembic_version" in tables:
        raise StartError(
            f"{name} is a database of this program; to restore a backup use wormhole-server restore"
        )
    if "nameplate_sides" in tables:
        raise StartError(
            f"{name} is the channel database of {MAILBOX_SERVER}, which has no usage records; {_HINT}"
        )
    if {"current", "nameplates", "mailboxes"} <= tables:
        program, formats = MAILBOX_SERVER, [_NAMEPLATES, _MAILBOXES]
        # Older versions did not write this one.
        formats += [_CLIENTS] if _CLIENTS.table in tables else []
    elif {"current", "usage"} <= tables:
        program, formats = TRANSIT_RELAY, [_RELAY]
    else:
        raise StartError(f"{name} is not a known usage database; {_HINT}")
    for each in formats:
        missing = [column for column in each.columns if column not in found[each.table]]
        if missing:
            raise StartError(
                f"{name} looks like a usage database of {program} of an unknown version: its table "
                f"{each.table} has no column {missing[0]}"
            )
    return program, formats


def _nameplate(row: sqlite3.Row, blur: float | None) -> Values | None:
    if not _is_number(row["started"]) or row["result"] not in _MOODS:
        return None
    return {"app": _text(row["app_id"]), **_times(row, blur), "mood": row["result"]}


def _mailbox(row: sqlite3.Row, blur: float | None) -> Values | None:
    values = _nameplate(row, blur)
    return None if values is None else {**values, "nameplate": bool(row["for_nameplate"])}


def _client(row: sqlite3.Row, blur: float | None) -> Values | None:
    if not _is_number(row["connect_time"]):
        return None
    return {
        "app": _text(row["app_id"]),
        "started": blur_time(float(row["connect_time"]), blur),
        "implementation": _text(row["implementation"]),
        "version": _text(row["version"]),
    }


def _relay_connection(row: sqlite3.Row, blur: float | None) -> Values | None:
    if not _is_number(row["started"]) or row["result"] not in _RELAY_MOODS:
        return None
    size = row["total_bytes"]
    return {
        "end": UNKNOWN_END,
        **_times(row, blur),
        "mood": row["result"],
        "bytes": blur_size(int(size), blur) if _is_number(size) else 0,
    }


def _times(row: sqlite3.Row, blur: float | None) -> Values:
    return {
        "started": blur_time(float(row["started"]), blur),
        "waiting_seconds": _seconds(row["waiting_time"], blur),
        "total_seconds": _seconds(row["total_time"], blur) or 0.0,
    }


def _seconds(raw: Any, blur: float | None) -> float | None:
    return blur_time(max(0.0, float(raw)), blur) if _is_number(raw) else None


def _is_number(raw: object) -> bool:
    # SQLite stores values of any type in any column.
    return isinstance(raw, int | float) and abs(raw) < 1 << 62


def _text(raw: object) -> str:
    # PostgreSQL stores every character of a text but this one.
    return raw.replace("\0", "") if isinstance(raw, str) else ""


_MOODS = {mood.value for mood in Mood}
_RELAY_MOODS = {mood.value for mood in RelayMood}

_NAMEPLATES = TableFormat(
    RecordKind.NAMEPLATE,
    "nameplates",
    ("app_id", "started", "waiting_time", "total_time", "result"),
    schema.nameplate_usage,
    _nameplate,
)
_MAILBOXES = TableFormat(
    RecordKind.MAILBOX,
    "mailboxes",
    ("app_id", "started", "waiting_time", "total_time", "result", "for_nameplate"),
    schema.mailbox_usage,
    _mailbox,
)
_CLIENTS = TableFormat(
    RecordKind.CLIENT,
    "client_versions",
    ("app_id", "connect_time", "implementation", "version"),
    schema.client_usage,
    _client,
)
_RELAY = TableFormat(
    RecordKind.RELAY,
    "usage",
    ("started", "waiting_time", "total_time", "result", "total_bytes"),
    relay_usage,
    _relay_connection,
)
