"""
How an operator is spoken to: quoting what they wrote, and guessing what they meant. Pure.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

# A line of an error message has to stay one readable line.
_LONGEST_QUOTE = 60


def quoted(raw: object) -> str:
    """`raw` as it would stand in a TOML file, on one line and not endless."""
    text = json.dumps(raw, ensure_ascii=False, default=str)
    # JSON leaves DEL as it is, TOML and terminals do not like it.
    text = text.replace("\x7f", "\\u007f")
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that somebody who wrote `name` most likely meant."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
