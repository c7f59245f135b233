"""
Archives: the names of a peer's files, and its directories as zip files, unpacked in bounded memory.

What a peer's zip contains is checked before a byte is written: nothing outside the target, no links, no
more than was announced. `unpack` blocks, and is called in a thread.
"""

import math
import shutil
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, Final

from wormhole_client.blocking import Stopped

CHUNK: Final = 64 * 1024  # bytes in memory at a time
NAME_BYTES: Final = 255  # what file systems take
DEEPEST: Final = 100  # directories inside each other; Python removes a tree recursively
SPARE_DIRECTORIES: Final = 1000  # the announcement does not count directories, so they are bounded
DIRECTORIES_PER_FILE: Final = 10  # by the files, with some to spare for empty ones
# What no name may hold: separators and controls.
FORBIDDEN: Final = frozenset(
    "/\\" + "".join(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029]))
)
# They reorder text, so that a name looks like another. Honest right-to-left names hold some: they are
# replaced, not refused.
BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
BIDI_REPLACED: Final = str.maketrans(dict.fromkeys(BIDI, "_"))


class UnsafeNameError(Exception):
    """A name that a peer must not choose on this machine."""


class ArchiveError(Exception):
    """A zip that is broken, or holds more than was announced."""


class StoppedError(Exception):
    """The work was stopped before its end."""


def safe_name(path: str) -> str:
    """
    Take the last part of the path that a peer gives its file or directory.

    Characters that change the direction of writing become `_`.

    :raises UnsafeNameError: it cannot be a name on this machine.
    """
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2].translate(BIDI_REPLACED)
    if not _is_name(name):
        raise UnsafeNameError(
            f"the other end names it {path!r}, which cannot be a name on this machine"
        )
    return name


def unpack(
    archive_file: IO[bytes], target: Path, content: int, files: int, stopped: Stopped
) -> None:
    """
    Unpack a zip.

    :param target: an empty directory.
    :param content: the announced size of all files, in bytes; unpacking stops when there are more.
    :param files: the announced number of files, directories not counted.
    :raises UnsafeNameError: an entry would be outside of `target`, or is a link.
    :raises ArchiveError: the zip is broken, or holds more than was announced.
    :raises OSError: the disk does not take it.
    :raises StoppedError: it was stopped.
    """
    try:
        with zipfile.ZipFile(archive_file) as archive:
            entries = archive.infolist()
            paths = [_safe_path(entry) for entry in entries]
            _check_counts(entries, paths, files)
            left = content
            made = {""}  # once each: to find that one exists takes as long as to open a file
            for entry, path in zip(entries, paths, strict=True):
                folder = path if entry.is_dir() else path.rpartition("/")[0]
                if folder not in made:
                    (target / folder).mkdir(parents=True, exist_ok=True)
                    made.add(folder)
                left -= _extract(archive, entry, f"{target}/{path}", left, stopped)
    # Not only BadZipFile: `zipfile` lets pass what its decoders and parsers raise.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as cause:
        raise ArchiveError(f"the zip is broken: {cause}") from cause
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as cause:
        raise ArchiveError("the zip holds a name twice") from cause


def _check_counts(entries: list[zipfile.ZipInfo], paths: list[str], files: int) -> None:
    if sum(not entry.is_dir() for entry in entries) > files:
        raise ArchiveError(f"the zip holds more than the {files} files that were announced")
    folders = {path for path, entry in zip(paths, entries, strict=True) if entry.is_dir()}
    folders.update(path.rpartition("/")[0] for path in paths)
    for folder in list(folders):
        while (folder := folder.rpartition("/")[0]) not in folders:
            folders.add(folder)
    if len(folders) > SPARE_DIRECTORIES + DIRECTORIES_PER_FILE * files:
        raise ArchiveError(f"the zip holds {len(folders)} directories for {files} files")


def _copy(source: IO[bytes], sink: IO[bytes], stopped: Stopped, most: float = math.inf) -> int:
    copied = 0
    while chunk := source.read(CHUNK):
        copied += len(chunk)
        if copied > most:
            raise ArchiveError("the zip holds more bytes than were announced")
        if stopped():
            raise StoppedError
        sink.write(chunk)
    return copied


def _is_name(part: str) -> bool:
    try:
        length = len(part.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    return FORBIDDEN.isdisjoint(part) and part not in {"", ".", ".."} and length <= NAME_BYTES


def _safe_path(entry: zipfile.ZipInfo) -> str:
    name = entry.filename.translate(BIDI_REPLACED)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise UnsafeNameError(f"the zip holds {entry.filename!r}, which is a link or a device")
    if name.startswith("/") or not parts or not all(_is_name(part) for part in parts):
        raise UnsafeNameError(
            f"the zip holds {entry.filename!r}, which is outside of the target or cannot be a name"
        )
    if len(parts) > DEEPEST:
        raise ArchiveError(f"the zip holds more than {DEEPEST} directories inside each other")
    return "/".join(parts)


def _extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, left: int, stopped: Stopped
) -> int:
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ArchiveError("the zip is compressed by a method that file transfers do not use")
    if stopped():
        raise StoppedError
    if entry.is_dir():
        return 0
    with archive.open(entry) as source, open(path, "xb") as sink:
        written = _copy(source, sink, stopped, left)
    if (entry.external_attr >> 16) & stat.S_IXUSR:
        sink_path = Path(path)
        sink_path.chmod(sink_path.stat().st_mode | (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    return written


def free_bytes(directory: Path) -> int:
    """Tell how many bytes this user can still write on the disk of a directory."""
    return shutil.disk_usage(directory).free
