"""
Quoting for messages to the operator: one line, no control characters, not too long. Pure.

Also guesses which name a misspelt one was meant to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

# Characters. An error message is one readable line.
_LONGEST_QUOTE = 60


def literal(value: object) -> str:
    """Write `value` as TOML does, on one line, with control characters escaped."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """Escape line breaks and control characters, so that `text` is one line that is safe to print."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def quoted(raw: object) -> str:
    """Write `raw` as `literal` does, shortened to fit into an error message."""
    text = literal(raw)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """
    Guess which known name a misspelt one was meant to be.

    :return: None if `name` resembles none of `known`.
    """
    import difflib  # noqa: PLC0415 - for a mistake only

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
