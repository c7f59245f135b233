"""
The formats of the pages: numbers, sizes, times and outcomes as text. No I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rendezvous.protocol.moods import Mood

OUTCOMES = {
    Mood.HAPPY: "completed",
    Mood.LONELY: "nobody joined",
    Mood.SCARY: "wrong code",
    Mood.ERRORY: "aborted",
    Mood.CROWDED: "third client",
    Mood.PRUNEY: "expired",
}

_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_TIMES = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
# Lines do not break at these.
_GROUP = "\N{NARROW NO-BREAK SPACE}"
_TIGHT = "\N{NO-BREAK SPACE}"


def number(value: int) -> str:
    """Format a number in groups of three digits."""
    return f"{value:,}".replace(",", _GROUP)


def size(byte_count: int) -> str:
    """Format a number of bytes with two significant digits: 0 bytes, 1.5 KiB, 23 GiB."""
    value, unit = float(byte_count), 0
    while value >= 1023.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    shown = f"{value:.1f}" if unit and value < 9.95 else f"{value:.0f}"
    return f"{shown}{_TIGHT}{_SIZES[unit]}"


def duration(seconds: float) -> str:
    """Format a time in its two largest units: 3 days 4 hours."""
    left = int(seconds)
    parts: list[str] = []
    for length, unit in _TIMES:
        count, left = divmod(left, length)
        if count or (length == 1 and not parts):
            parts.append(f"{count}{_TIGHT}{unit}{'' if count == 1 else 's'}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def share(part: int, whole: int) -> str:
    """Format a share in percent; `whole` is not 0."""
    return f"{100 * part / whole:.0f}{_TIGHT}%"


def moment(at: float) -> str:
    """Format a time of day, in seconds since the epoch, to the minute in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime(f"%Y-%m-%d{_TIGHT}%H:%M{_TIGHT}UTC")
