"""
The usage databases of other servers: how one is told from another, and what its records say here.

Owns the names of their tables and columns, as the files that those servers write have them:
magic-wormhole-mailbox-server 0.8.0 and magic-wormhole-transit-relay 0.5.0. Reads no file and writes none.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from rendezvous import schema
from rendezvous.moods import Mood
from rendezvous.usage import blur_time
from transit_relay.observer import Mood as RelayMood
from wormhole_server.blur import blur_size
from wormhole_server.errors import StartError
from wormhole_server.usage import UNKNOWN_END, relay_usage

# What a file has in its tables, by their names.
Columns = Mapping[str, Sequence[str]]
Values = dict[str, Any]

MAILBOX_SERVER = "magic-wormhole-mailbox-server"
TRANSIT_RELAY = "magic-wormhole-transit-relay"

_HINT = f"name the --usage-db of {MAILBOX_SERVER} or of {TRANSIT_RELAY}"


class Kind(enum.Enum):
    """What a record of another server is about. The values stand in `usage_imports`."""

    NAMEPLATE = "nameplates"  # of the mailbox server
    MAILBOX = "mailboxes"  # of the mailbox server
    CLIENT = "clients"  # of the mailbox server: one for each connection
    RELAY = "relay"  # of the transit relay: one for each pair, and for each connection without one


@attrs.frozen
class Format:
    """
    A table of theirs, and how a row of it becomes one of ours.

    :ivar table: as they call it.
    :ivar columns: what is taken from it, in the order in which `convert` wants it.
    :ivar convert: None for a row that says nothing that can be kept.
    """

    kind: Kind
    table: str
    columns: Sequence[str]
    target: sa.Table
    convert: Callable[[Sequence[Any], float | None], Values | None]


def recognise(name: str, found: Columns) -> tuple[str, Sequence[Format]]:
    """
    Which server wrote the file, and what can be taken from it.

    :param name: what the operator calls it.
    :raises StartError: it is none that is known.
    """
    tables = set(found)
    if "alembic_version" in tables:
        raise StartError(f"{name}: is this program's own; wormhole-server restore takes backups")
    if "nameplate_sides" in tables:
        raise StartError(
            f"{name}: is the channel database of {MAILBOX_SERVER}, which has no usage records; {_HINT}"
        )
    if {"current", "nameplates", "mailboxes"} <= tables:
        program, formats = MAILBOX_SERVER, [_NAMEPLATES, _MAILBOXES]
        # Older versions did not write this one.
        formats += [_CLIENTS] if _CLIENTS.table in tables else []
    elif {"current", "usage"} <= tables:
        program, formats = TRANSIT_RELAY, [_RELAY]
    else:
        raise StartError(f"{name}: is no usage database that is known here; {_HINT}")
    for each in formats:
        missing = [column for column in each.columns if column not in found[each.table]]
        if missing:
            raise StartError(
                f"{name}: looks like the usage database of {program}, of a version that is not "
                f"known here: its table {each.table} has no column {missing[0]}"
            )
    return program, formats


def _nameplate(row: Sequence[Any], blur: float | None) -> Values | None:
    app, started, waiting, total, mood = row
    return _course(app, started, waiting, total, mood, blur)


def _mailbox(row: Sequence[Any], blur: float | None) -> Values | None:
    app, started, waiting, total, mood, for_nameplate = row
    values = _course(app, started, waiting, total, mood, blur)
    return None if values is None else {**values, "nameplate": bool(for_nameplate)}


def _client(row: Sequence[Any], blur: float | None) -> Values | None:
    app, started, implementation, version = row
    if not _is_number(started):
        return None
    return {
        "app": _text(app),
        "started": blur_time(float(started), blur),
        "implementation": _text(implementation),
        "version": _text(version),
    }


def _relayed(row: Sequence[Any], blur: float | None) -> Values | None:
    started, waiting, total, mood, size = row
    if not _is_number(started) or mood not in _RELAY_MOODS:
        return None
    return {
        "end": UNKNOWN_END,
        **_times(started, waiting, total, blur),
        "mood": mood,
        "bytes": blur_size(int(size), blur) if _is_number(size) else 0,
    }


def _course(
    app: object, started: Any, waiting: Any, total: Any, mood: object, blur: float | None
) -> Values | None:
    if not _is_number(started) or mood not in _MOODS:
        return None
    return {"app": _text(app), **_times(started, waiting, total, blur), "mood": mood}


def _times(started: Any, waiting: Any, total: Any, blur: float | None) -> Values:
    return {
        "started": blur_time(float(started), blur),
        "waiting_seconds": _seconds(waiting, blur),
        "total_seconds": _seconds(total, blur) or 0.0,
    }


def _seconds(raw: Any, blur: float | None) -> float | None:
    return blur_time(max(0.0, float(raw)), blur) if _is_number(raw) else None


def _is_number(raw: object) -> bool:
    """SQLite keeps anything in any column."""
    return isinstance(raw, int | float) and abs(raw) < 1 << 62


def _text(raw: object) -> str:
    """What clients called themselves; without the one letter that PostgreSQL does not know."""
    return raw.replace("\0", "") if isinstance(raw, str) else ""


_MOODS = {mood.value for mood in Mood}
_RELAY_MOODS = {mood.value for mood in RelayMood}

_NAMEPLATES = Format(
    Kind.NAMEPLATE,
    "nameplates",
    ("app_id", "started", "waiting_time", "total_time", "result"),
    schema.nameplate_usage,
    _nameplate,
)
_MAILBOXES = Format(
    Kind.MAILBOX,
    "mailboxes",
    ("app_id", "started", "waiting_time", "total_time", "result", "for_nameplate"),
    schema.mailbox_usage,
    _mailbox,
)
_CLIENTS = Format(
    Kind.CLIENT,
    "client_versions",
    ("app_id", "connect_time", "implementation", "version"),
    schema.client_usage,
    _client,
)
_RELAY = Format(
    Kind.RELAY,
    "usage",
    ("started", "waiting_time", "total_time", "result", "total_bytes"),
    relay_usage,
    _relayed,
)
