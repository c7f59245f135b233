"""
Links between the project's documents lead somewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.markdown import FILES, ROOT, anchors, links


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links(file: Path) -> None:
    """Every relative link names a file that is there, and a heading that is in it."""
    broken = []
    for link in links(file):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if (
            not target.exists()
            or not target.is_relative_to(ROOT)
            or (anchor and (target.suffix != ".md" or anchor not in anchors(target)))
        ):
            broken.append(link)
    assert broken == []


def test_index() -> None:
    """Every page of the documentation is reached from docs/README.md."""
    pages = {file for file in FILES if file.parent == ROOT / "docs"}
    index = ROOT / "docs" / "README.md"
    reached = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    assert sorted(page.name for page in pages - reached - {index}) == []
