"""
Directories as zip files, made and unpacked in bounded memory. What a peer's zip wants is checked
before a byte is written: nothing outside the target, no links, no more than was announced. Blocking
functions, for a thread.
"""

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

import attrs

CHUNK: Final = 256 * 1024  # bytes in memory at a time
NAME_BYTES: Final = 255  # what file systems take


class UnsafeName(Exception):
    """A name that a peer must not choose for us."""


class BadArchive(Exception):
    """A zip that is broken, or holds what was not announced."""


@attrs.frozen
class Packed:
    """What went into a zip."""

    content: int
    files: int


def safe_name(said: str) -> str:
    """
    The last part of what a peer calls its file or directory.

    :raises UnsafeName: there is no such part that could be a name here.
    """
    name = said.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if not _is_name(name):
        raise UnsafeName(f"the other end calls it {said!r}, which cannot be a name here")
    return name


def pack(directory: Path, to: IO[bytes]) -> Packed:
    """
    Zip everything below `directory` into `to`, names relative to it. Links to files are followed,
    links to directories are not: they could lead back.

    :raises OSError: something cannot be read.
    """
    content = files = 0
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in _walk(directory):
            archive.write(path, path.relative_to(directory).as_posix())
            if not path.is_dir():
                files += 1
        content = sum(entry.file_size for entry in archive.infolist())
    return Packed(content, files)


def unpack(archive_file: IO[bytes], target: Path, content: int, files: int) -> None:
    """
    Unpack into `target`, an empty directory.

    :param content: bytes that were announced; more is refused, even half-way.
    :param files: entries that were announced, directories not counted.
    :raises UnsafeName: an entry wants to be outside of `target`, or is a link.
    :raises BadArchive: broken, or more than announced.
    """
    try:
        with zipfile.ZipFile(archive_file) as archive:
            entries = archive.infolist()
            paths = [_safe_path(entry) for entry in entries]
            if sum(not entry.is_dir() for entry in entries) > files:
                raise BadArchive(f"the zip holds more than the {files} files that were announced")
            left = content
            for entry, path in zip(entries, paths, strict=True):
                left -= _extract(archive, entry, target / path, left)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as cause:
        raise BadArchive(f"the zip is broken: {cause}") from cause
    except FileExistsError as cause:
        raise BadArchive(f"the zip holds {cause.filename!r} twice") from cause


def _walk(directory: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(directory, onerror=_raise):
        subfolders.sort()
        here = Path(folder)
        yield from (here / name for name in subfolders if not (here / name).is_symlink())
        for name in sorted(names):
            if not stat.S_ISREG((here / name).stat().st_mode):
                raise OSError(f"{here / name} is neither a file nor a directory")
            yield here / name


def _raise(error: OSError) -> None:
    raise error


def _is_name(part: str) -> bool:
    plain = not any(letter in "/\\" or ord(letter) < 32 or ord(letter) == 127 for letter in part)
    return plain and part not in {"", ".", ".."} and len(os.fsencode(part)) <= NAME_BYTES


def _safe_path(entry: zipfile.ZipInfo) -> Path:
    path = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise UnsafeName(f"the zip holds {entry.filename!r}, which is a link or a device")
    if path.is_absolute() or not path.parts or not all(_is_name(part) for part in path.parts):
        raise UnsafeName(f"the zip holds {entry.filename!r}, which is outside of the target")
    return Path(*path.parts)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, left: int) -> int:
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as source, path.open("xb") as sink:
        while chunk := source.read(CHUNK):
            written += len(chunk)
            if written > left:
                raise BadArchive("the zip holds more bytes than were announced")
            sink.write(chunk)
    if (entry.external_attr >> 16) & stat.S_IXUSR:
        path.chmod(path.stat().st_mode | (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    return written


def free_bytes(directory: Path) -> int:
    """What the disk of `directory` has left for us."""
    return shutil.disk_usage(directory).free
