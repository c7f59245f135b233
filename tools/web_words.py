"""
The word list of the browser client: generated from that of the command-line client.

    python -m tools.web_words

Owns the module's form. `make docs` writes it; a test compares what is committed with what it would write.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from wormhole_client.words import THREE_SYLLABLES, TWO_SYLLABLES

PATH = Path(__file__).parents[1] / "web" / "core" / "codes" / "words.ts"

_HEAD = """\
/** The PGP word list. Made by `make docs` from wormhole_client/words.py: change that. */
const listed = (text: string): readonly string[] => text.trim().split(/\\s+/u);
"""


def module() -> str:
    """Make the module."""
    lists = {"TWO_SYLLABLES": TWO_SYLLABLES, "THREE_SYLLABLES": THREE_SYLLABLES}
    return _HEAD + "".join(
        f"\nexport const {name} = listed(`\n{textwrap.fill(' '.join(words), 100)}\n`);\n"
        for name, words in lists.items()
    )


if __name__ == "__main__":
    PATH.write_text(module(), "utf-8")
