"""
What an examination finds, and how it is told: a line each, or JSON. Pure.

Owns the levels and the marks. What is examined is the business of the modules beside this one.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Sequence

import attrs

from wormhole_server.words import printable


class Level(enum.Enum):
    """How bad it is. The values stand in the JSON."""

    OK = "ok"  # as it should be
    WARNING = "warning"  # works now, and may not for long, or not for all
    FAILURE = "failure"  # does not work


@attrs.frozen
class Finding:
    """
    What came of one look.

    :ivar check: what was looked at, in a word or two.
    :ivar text: what was found.
    :ivar mend: what to do; empty only where nothing has to be done.
    """

    check: str
    level: Level
    text: str
    mend: str = ""


def ok(check: str, text: str) -> Finding:
    """As it should be."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, mend: str) -> Finding:
    """Works now, and may not for long, or not for all."""
    return Finding(check, Level.WARNING, text, mend)


def failure(check: str, text: str, mend: str) -> Finding:
    """Does not work."""
    return Finding(check, Level.FAILURE, text, mend)


_MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.FAILURE: "✗"}
# For terminals that know no more.
_PLAIN_MARKS = {Level.OK: "ok  ", Level.WARNING: "warn", Level.FAILURE: "FAIL"}


def as_lines(finding: Finding, *, plain: bool) -> Iterator[str]:
    """A line, and an indented one for the mend."""
    mark = (_PLAIN_MARKS if plain else _MARKS)[finding.level]
    yield f"{mark} {finding.check}: {printable(finding.text)}"
    if finding.mend:
        yield f"{' ' * len(mark)}   {printable(finding.mend)}"


def in_sum(findings: Sequence[Finding]) -> str:
    """The last line."""
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    if counts[Level.FAILURE]:
        return f"{counts[Level.FAILURE]} of {len(findings)} checks failed."
    if counts[Level.WARNING]:
        return f"All works; {counts[Level.WARNING]} of {len(findings)} checks warn."
    return f"All {len(findings)} checks are well."


def as_json(findings: Sequence[Finding]) -> str:
    """All of them."""
    fine = all(each.level is not Level.FAILURE for each in findings)
    checks = [{**attrs.asdict(each), "level": each.level.value} for each in findings]
    return json.dumps({"ok": fine, "checks": checks}, ensure_ascii=False, indent=2)
