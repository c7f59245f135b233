"""
How an operator is spoken to: quoting what they wrote, and guessing what they meant. Pure.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

# A line of an error message has to stay one readable line.
_LONGEST_QUOTE = 60


def literal(value: object) -> str:
    """`value` as TOML writes it: on one line, and with nothing in it that a terminal would obey."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """`text` on one line: line breaks, control characters and the like are escaped."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def quoted(raw: object) -> str:
    """`raw` as an error message repeats it: as TOML would write it, but not endless."""
    text = literal(raw)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that somebody who wrote `name` most likely meant."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
