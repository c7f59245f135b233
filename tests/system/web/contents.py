"""
What transfers of the browser client carry, and what has arrived of it.
"""

from __future__ import annotations

import hashlib
import random
import zipfile
from pathlib import Path
from typing import Final

import attrs

from tests.system.web.client_page import MIB

Files = dict[str, str | None]  # SHA-256 by the path below the content's; None: an empty directory
TEXT: Final = "hällo <b>\N{WAVING HAND SIGN}</b>"
SIZES: Final = {
    "empty file": 0,
    "3 bytes": 3,
    "70 KiB": 70 * 1024,
    "16 MiB": 16 * MIB,
    "64 MiB": 64 * MIB,
    "1 GiB": 1024 * MIB,
}
_TREE: Final = {
    "empty": b"",
    "tiefer/日本語 \N{WAVING HAND SIGN}.txt": b"here",
    "tiefer/two": random.Random(2).randbytes(300_000),
}
_EMPTY_DIRECTORY: Final = "leer"
_SEVERAL: Final = {"größe.bin": b"123", "empty": b""}


@attrs.frozen
class Content:
    """
    What is sent.

    :ivar path: of the file or the directory; None: it is `TEXT`.
    :ivar chosen: whether a directory is what the page makes of the files in it.
    """

    path: Path | None
    chosen: bool = False


def make_content(kind: str, there: Path) -> Content:
    """
    Make what is sent.

    :param kind: "text", "directory", "full directory" (without an empty one inside), "several files", or one
        of `SIZES`.
    :param there: where the sender is.
    """
    match kind:
        case "text":
            return Content(None)
        case "directory" | "full directory":
            path = there / "Bücher"
            _write(path, _TREE)
            if kind == "directory":
                (path / _EMPTY_DIRECTORY).mkdir()
            return Content(path)
        case "several files":
            path = there / "files"  # the page's name for them
            _write(path, _SEVERAL)
            return Content(path, chosen=True)
        case _:
            path = there / f"fünf {kind}.bin"
            write_file(path, SIZES[kind])
            return Content(path)


def write_file(path: Path, size: int) -> None:
    """Write a file of so many bytes."""
    dice = random.Random(size)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(dice.randbytes(min(MIB, size - start)))


def read_files(path: Path) -> Files:
    """Read a file, or all that is in a directory."""
    if path.is_file():
        return {"": _digest(path)}
    return {
        each.relative_to(path).as_posix(): _digest(each) if each.is_file() else None
        for each in path.rglob("*")
        if each.is_file() or not any(each.iterdir())
    }


def unzip(archive: Path, into: Path) -> Path:
    """Unpack an archive; returns the directory."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(into)
    return into


def _write(path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
