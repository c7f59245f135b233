"""
Who may import whom.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.markdown import ROOT, spans

ALLOWED = {
    "rendezvous": {"rendezvous"},
    "transit_relay": {"transit_relay"},
    "wormhole_client": {"wormhole_client"},
    "wormhole_server": {"rendezvous", "transit_relay", "wormhole_server"},
}
OURS = {*ALLOWED, "bench", "tests", "tools"}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", ALLOWED)
def test_rooms(package: str) -> None:
    """A package knows no other than those that it may know."""
    files = list((ROOT / package).rglob("*.py"))
    strange = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in _imports(file)
        if name.partition(".")[0] in OURS - ALLOWED[package]
    }
    assert files
    assert sorted(strange) == []


def test_architecture() -> None:
    """The page on the architecture names no module or package that is not there."""
    named = set()
    for span in spans(ROOT / "docs" / "architecture.md"):
        if match := re.fullmatch(r"(?:[a-z_]+/)*[a-z_*]+(?:\.py|/)", span):
            named.add(match[0])
    missing = [
        name
        for name in named
        if not list(ROOT.glob(name))
        and not any(list((ROOT / package).glob(name)) for package in ALLOWED)
    ]
    assert named
    assert missing == []
