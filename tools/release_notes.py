"""
The notes of a release: what CHANGELOG.md says of the version that `wormhole_server/version.py` names, and the
fingerprint of the web client in its wheel.

    python -m tools.release_notes --tag=v1.0.0 [--wheel=FILE]

Owns how a version stands in the changelog. Needs nothing but Python, so that a workflow can run it without
installing anything.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from wormhole_web.files import BUILT, LISTING, fingerprint

ROOT: Final = Path(__file__).parents[1]
_VERSION: Final = re.compile(r'^VERSION = "([^"]+)"$', re.MULTILINE)
_HEADING: Final = re.compile(r"^## (\S+) \((\d{4}-\d{2}-\d{2}|unreleased)\)$", re.MULTILINE)


class NotReleasableError(Exception):
    """The tag, the version and the changelog do not belong together."""


def version() -> str:
    """Return the version of the program, without importing it."""
    found = _VERSION.search((ROOT / "wormhole_server" / "version.py").read_text("utf-8"))
    if found is None:
        raise NotReleasableError("wormhole_server/version.py has no line VERSION = ...")
    return found[1]


def newest(changelog: str) -> tuple[str, str, str]:
    """
    Return the version, the date and the notes of a changelog's first section.

    :return: "unreleased" in place of the date until the release commit.
    :raises NotReleasableError: there is no section with a version and a date.
    """
    headings = list(_HEADING.finditer(changelog))
    if not headings or changelog.find("\n## ") + 1 != headings[0].start():
        raise NotReleasableError("CHANGELOG.md does not begin with a section '## VERSION (DATE)'")
    end = changelog.find("\n## ", headings[0].end())
    notes = changelog[headings[0].end() : end if end >= 0 else len(changelog)]
    return headings[0][1], headings[0][2], notes.strip() + "\n"


def notes_of(tag: str, number: str, changelog: str) -> str:
    """
    Return the notes of the release that a tag names.

    :param tag: "v" and the version.
    :param number: the version of the program.
    :raises NotReleasableError: the tag, the version and the changelog disagree, or the date is missing.
    """
    if tag != f"v{number}":
        raise NotReleasableError(f"the tag is {tag}, the version {number}")
    described, date, notes = newest(changelog)
    if described != number:
        raise NotReleasableError(f"CHANGELOG.md begins with {described}, the version is {number}")
    if date == "unreleased":
        raise NotReleasableError(f"CHANGELOG.md has no date for {number}")
    return notes


def fingerprint_note(wheel: Path) -> str:
    """
    Return the paragraph of the notes that has the fingerprint of the web client in a wheel.

    :raises NotReleasableError: the wheel has none.
    """
    folder = BUILT.relative_to(ROOT).as_posix()
    with ZipFile(wheel) as archive:
        if f"{folder}/{LISTING}" not in archive.namelist():
            raise NotReleasableError(f"{wheel.name} has no web client")
        names = json.loads(archive.read(f"{folder}/{LISTING}"))
        # Of what is in the wheel, whatever the list says.
        contents = {name: archive.read(f"{folder}/{name}") for name in names}
    found = fingerprint({name: hashlib.sha256(each).hexdigest() for name, each in contents.items()})
    return (
        "\nThe fingerprint of the web client, `web_client` in `/status.json` of every server of this "
        "release:\n"
        f"`{found}`\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the notes of a release.")
    parser.add_argument("--tag", required=True, help="its tag, such as v1.0.0")
    parser.add_argument("--wheel", type=Path, help="the wheel that is released")
    given = parser.parse_args()
    try:
        notes = notes_of(given.tag, version(), (ROOT / "CHANGELOG.md").read_text("utf-8"))
        if given.wheel is not None:
            notes += fingerprint_note(given.wheel)
    except NotReleasableError as error:
        sys.exit(f"This cannot be released: {error}.")
    sys.stdout.write(notes)


if __name__ == "__main__":
    main()
