"""
The finding: what a check found, how severe it is, and what to do. No I/O.

Owns the levels, and how findings are printed: one line each, or JSON.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Sequence

import attrs

from wormhole_server.config.quoting import printable


class Level(enum.Enum):
    """How severe a finding is. The values are part of the JSON."""

    OK = "ok"  # nothing is wrong
    WARNING = "warning"  # works now, but perhaps not for long, or not for everybody
    FAILURE = "failure"  # does not work


@attrs.frozen
class Finding:
    """
    The result of one check.

    :ivar check: the name of what was checked, in one to four words.
    :ivar text: what was found.
    :ivar fix: what to do; empty if nothing is wrong.
    """

    check: str
    level: Level
    text: str
    fix: str = ""


def ok(check: str, text: str) -> Finding:
    """Report that nothing is wrong."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, fix: str) -> Finding:
    """Report what works now, but perhaps not for long, or not for everybody."""
    return Finding(check, Level.WARNING, text, fix)


def failure(check: str, text: str, fix: str) -> Finding:
    """Report what does not work."""
    return Finding(check, Level.FAILURE, text, fix)


_MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.FAILURE: "✗"}
# For terminals without UTF-8.
_PLAIN_MARKS = {Level.OK: "ok  ", Level.WARNING: "warn", Level.FAILURE: "FAIL"}


def as_lines(finding: Finding, *, plain: bool) -> Iterator[str]:
    """
    Write a finding in one line, and what to do in a second one.

    :param plain: use ASCII only.
    """
    mark = (_PLAIN_MARKS if plain else _MARKS)[finding.level]
    yield f"{mark} {finding.check}: {printable(finding.text)}"
    if finding.fix:
        yield f"{' ' * len(mark)}   {printable(finding.fix)}"


def summarize(findings: Sequence[Finding]) -> str:
    """Write the last line: how many checks failed, or have warnings."""
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    if counts[Level.FAILURE]:
        return f"{counts[Level.FAILURE]} of {len(findings)} checks failed."
    if counts[Level.WARNING]:
        return f"No check failed; {counts[Level.WARNING]} of {len(findings)} have warnings."
    return f"All {len(findings)} checks passed."


def as_json(findings: Sequence[Finding]) -> str:
    """Write all findings as JSON; `ok` is whether no check failed."""
    fine = all(each.level is not Level.FAILURE for each in findings)
    checks = [{**attrs.asdict(each), "level": each.level.value} for each in findings]
    return json.dumps({"ok": fine, "checks": checks}, ensure_ascii=False, indent=2)
