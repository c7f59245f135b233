"""
What stands in the project's Markdown: headings, links, and code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)

_FENCE = re.compile(r"^(```+)[^\n]*\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)


@cache
def text_of(file: Path) -> str:
    """All of it."""
    return file.read_text("utf-8")


def blocks(file: Path) -> Iterator[str]:
    """The blocks of code."""
    for match in _FENCE.finditer(text_of(file)):
        yield match[2]


def spans(file: Path) -> Iterator[str]:
    """The code within sentences."""
    for match in _SPAN.finditer(_FENCE.sub("", text_of(file))):
        yield " ".join(match[2].split())


def links(file: Path) -> Iterator[str]:
    """Where links and pictures point to."""
    prose = _SPAN.sub("", _FENCE.sub("", text_of(file)))
    # The text of a link may be code, which is gone by now.
    for match in _LINK.finditer(prose):
        yield match[1]
    for match in re.finditer(r"(?:src|href)=\"([^\"]+)\"", prose):
        yield match[1]


def anchors(file: Path) -> set[str]:
    """What a link may name behind its #: GitHub makes these from headings."""
    found: set[str] = set()
    for match in _HEADING.finditer(_FENCE.sub("", text_of(file))):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (anchor := name if not number else f"{name}-{number}") in found:
            number += 1
        found.add(anchor)
    return found | {
        match[1] for match in re.finditer(r"<a (?:id|name)=\"([^\"]+)\"", text_of(file))
    }
