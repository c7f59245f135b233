"""
Tests of the tool for release notes, and of the changelog that it reads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.project.markdown import ROOT
from tools.release_notes import (
    NotReleasableError,
    fingerprint_note,
    newest,
    notes_of,
    version,
)
from wormhole_web.files import fingerprint

CHANGELOG = "# Changelog\n\n## 1.1.0 (2027-01-31)\n\n- New.\n\n## 1.0.0 (2026-12-01)\n\nFirst.\n"


def test_changelog() -> None:
    """The changelog begins with the version of the program."""
    described, _, notes = newest((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert described == version()
    assert notes.strip()


def test_notes() -> None:
    """The notes of a release are its own section, without the heading."""
    assert notes_of("v1.1.0", "1.1.0", CHANGELOG) == "- New.\n"
    assert newest(CHANGELOG.partition("\n## 1.1.0")[0] + "\n## 1.0.0 (unreleased)\n\nFirst.\n") == (
        "1.0.0",
        "unreleased",
        "First.\n",
    )


@pytest.mark.parametrize(
    ("tag", "changelog", "why"),
    [
        ("v1.0.0", CHANGELOG, "the tag is v1.0.0, the version 1.1.0"),
        ("v1.1.0", CHANGELOG.replace("1.1.0", "1.2.0"), "begins with 1.2.0"),
        ("v1.1.0", CHANGELOG.replace("2027-01-31", "unreleased"), "has no date for 1.1.0"),
        ("v1.1.0", CHANGELOG.replace(" (2027-01-31)", ""), "does not begin with a section"),
        ("v1.1.0", "# Changelog\n", "does not begin with a section"),
    ],
)
def test_refused(tag: str, changelog: str, why: str) -> None:
    """A tag, a version and a changelog that do not belong together are no release."""
    with pytest.raises(NotReleasableError, match=why):
        notes_of(tag, "1.1.0", changelog)


def test_fingerprint(tmp_path: Path) -> None:
    """The notes have the fingerprint of the files in the wheel; a wheel without the web client is refused."""
    files = {"page.js": b"page", "sw.js": b"worker"}
    with ZipFile(tmp_path / "whole.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(f"wormhole_server/web/client/{name}", content)
        listed = json.dumps(dict.fromkeys(files, "of the build"))
        wheel.writestr("wormhole_server/web/client/files.json", listed)
    expected = fingerprint({name: sha256(content).hexdigest() for name, content in files.items()})
    assert f"\n`{expected}`\n" in fingerprint_note(tmp_path / "whole.whl")
    with ZipFile(tmp_path / "empty.whl", "w") as wheel:
        wheel.writestr("wormhole_server/web/client/__init__.py", "")
    with pytest.raises(NotReleasableError, match=r"empty\.whl has no web client"):
        fingerprint_note(tmp_path / "empty.whl")


def test_program() -> None:
    """The program says in one line why a tag cannot be released; it needs nothing but Python."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tools.release_notes", "--tag=v0.0.1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("This cannot be released: the tag is v0.0.1, ")
    assert done.stderr.count("\n") == 1
