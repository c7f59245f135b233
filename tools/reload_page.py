"""
The table in `docs/reload.md` of what takes effect when, made from the settings.

    python -m tools.reload_page

Owns the table's rows; the rest of the page is written by hand. `make docs` brings them up to date; a test
compares what is committed with what it would write.
"""

from __future__ import annotations

import re
from pathlib import Path

from wormhole_server.option import Effect
from wormhole_server.settings import OPTIONS

PATH = Path(__file__).parents[1] / "docs" / "reload.md"


def page(written: str) -> str:
    """
    The page `written`, with the rows as the settings have them now.

    :raises ValueError: it has no such table.
    """
    for effect in Effect:
        flags = ", ".join(f"`{each.flag}`" for each in OPTIONS if each.effect is effect)
        row = re.compile(rf"^\| {effect.value} \| .* \|$", re.MULTILINE)
        written, found = row.subn(f"| {effect.value} | {flags} |", written)
        if found != 1:
            raise ValueError(f"{PATH}: there has to be one row that begins: {effect.value}")
    return written


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text("utf-8")), "utf-8")
