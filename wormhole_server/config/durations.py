"""
Durations and sizes, as an operator writes them: `90s`, `1h`, `256KiB`. Pure.
"""

from __future__ import annotations

import re
from typing import NewType

from wormhole_server.config.quoting import quoted

Seconds = NewType("Seconds", float)
Bytes = NewType("Bytes", int)

_SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES_IN = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

_NUMBER = re.compile(r"(\d{1,16}(?:\.\d{1,15})?)\s*([A-Za-z]*)", re.ASCII)

# Seconds. A longer duration is a typing error, and would overflow timers.
_LONGEST = 100 * 365 * 86400
# Bytes. A larger size is a typing error: no limit is meant for more than 1 TiB of memory.
LARGEST_SIZE = Bytes(1 << 40)
# Bytes. What 25 Gbit/s are in a month; up to here a float has every whole number.
LARGEST_TRAFFIC = Bytes(1 << 53)


def parse_duration(raw: object) -> Seconds:
    """
    Parse a duration.

    :param raw: `90`, `"90"`, `"90s"`, `"1.5m"`, `"1h"` or `"90d"`; without a unit it is in seconds.
    :raises ValueError: it is none of these, negative, or longer than a hundred years.
    """
    number, unit = _split(raw)
    if number is None or unit not in ("", *_SECONDS_IN):
        raise ValueError(
            f"{quoted(raw)} is not a duration; write seconds, or a number with s, m, h or d, "
            'such as "90s" or "1h"'
        )
    seconds = number * _SECONDS_IN[unit or "s"]
    if seconds > _LONGEST:
        raise ValueError(f"{quoted(raw)} is longer than a hundred years; write a shorter duration")
    return Seconds(seconds)


def format_duration(seconds: Seconds) -> str:
    """Write a duration in the largest unit that divides it, so that `parse_duration` reads it back."""
    for unit in ("d", "h", "m"):
        count = seconds / _SECONDS_IN[unit]
        if count >= 1 and count.is_integer():
            return f"{count:.0f}{unit}"
    plain = f"{seconds:.15g}"
    return f"{seconds:.15f}s" if "e" in plain else f"{plain}s"


def parse_size(raw: object, largest: Bytes = LARGEST_SIZE) -> Bytes:
    """
    Parse a size.

    :param raw: `65536`, `"65536"`, `"256KiB"`, `"4MiB"` or `"1GiB"`; without a unit it is in bytes.
    :raises ValueError: it is none of these, not a whole number of bytes, or more than `largest`.
    """
    number, unit = _split(raw)
    if number is None or unit not in ("", *_BYTES_IN):
        raise ValueError(
            f"{quoted(raw)} is not a size; write bytes, or a number with KiB, MiB, GiB or TiB, "
            'such as "256KiB"'
        )
    size = number * _BYTES_IN[unit or "B"]
    if size > largest or not size.is_integer():
        raise ValueError(
            f"{quoted(raw)} is not a whole number of bytes up to {format_size(largest)}"
        )
    return Bytes(int(size))


def format_size(size: Bytes) -> str:
    """Write a size in the largest unit that divides it, so that `parse_size` reads it back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _BYTES_IN[unit] == 0:
            return f"{size // _BYTES_IN[unit]}{unit}"
    return f"{size}B"


def _split(raw: object) -> tuple[float | None, str]:
    """
    Split `raw` into its number and its unit.

    :return: None for the number if `raw` does not begin with one.
    """
    # In Python True is an int; in a configuration it is a mistake.
    if isinstance(raw, (str, int, float)) and not isinstance(raw, bool):
        match = _NUMBER.fullmatch(str(raw).strip())
        if match:
            return float(match[1]), match[2]
    return None, ""
