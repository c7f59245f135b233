"""
The zip that a directory is sent as: its size is known before a file is read, and it is stored nowhere.

Owns the walk through the directory and the layout, which is that of PKWARE's APPNOTE. As the reference
client does, it does not compress. A file's checksum follows its bytes.
"""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from wormhole_client.blocking import Stopped
from wormhole_client.transfers.archive import StoppedError
from wormhole_client.transfers.session import TransferError

HEADER: Final = struct.Struct("<4s5H3L2H")
DESCRIPTOR: Final = struct.Struct("<4s3L")
LARGE_DESCRIPTOR: Final = struct.Struct("<4sL2Q")
RECORD: Final = struct.Struct("<4s6H3L5H2L")
LARGE_END: Final = struct.Struct("<4sQ2H2L4Q")
LARGE_END_LOCATOR: Final = struct.Struct("<4sLQL")
END: Final = struct.Struct("<4s4H2LH")
LARGEST_FIELD: Final = 2**31 - 1  # of 4 bytes; some readers take them as signed
MOST_ENTRIES: Final = 2**16 - 1
ELSEWHERE: Final = 2**32 - 1  # in a field of 4 bytes: the number is in a field of 8 bytes
VERSION: Final = 20  # of the layout: directories
LARGE_VERSION: Final = 45  # zip64
UNIX: Final = 3 << 8  # the system whose file modes are given
UTF8: Final = 1 << 11
HAS_DESCRIPTOR: Final = 1 << 3


@attrs.frozen
class Entry:
    """
    A file, or an empty directory.

    :ivar info: its name in the zip, its size, time and mode.
    """

    path: Path
    info: zipfile.ZipInfo

    @property
    def is_large(self) -> bool:
        return self.info.file_size > LARGEST_FIELD

    def header(self) -> bytes:
        """Encode what precedes its bytes."""
        name = self.info.filename.encode("utf-8")
        extra = _wide_fields([0, 0]) if self.is_large else b""
        common = self._common(0, 0)
        return HEADER.pack(b"PK\3\4", *common, len(name), len(extra)) + name + extra

    def descriptor(self, crc: int) -> bytes:
        """Encode what follows its bytes."""
        if self.info.is_dir():
            return b""
        size = self.info.file_size
        layout = LARGE_DESCRIPTOR if self.is_large else DESCRIPTOR
        return layout.pack(b"PK\7\10", crc, size, size)

    def record(self, crc: int, offset: int) -> bytes:
        """
        Encode its record in the central directory.

        :param offset: of its header in the zip, in bytes.
        """
        name = self.info.filename.encode("utf-8")
        size = self.info.file_size
        far = offset > LARGEST_FIELD
        extra = _wide_fields([size] * (2 * self.is_large) + [offset] * far)
        made_by = UNIX | (LARGE_VERSION if extra else VERSION)
        common = self._common(crc, ELSEWHERE if self.is_large else size)
        attributes = self.info.external_attr
        start = ELSEWHERE if far else offset
        return (
            RECORD.pack(
                b"PK\1\2", made_by, *common, len(name), len(extra), 0, 0, 0, attributes, start
            )
            + name
            + extra
        )

    def _common(self, crc: int, size: int) -> tuple[int, ...]:
        """Return the fields that the header and the record have in common."""
        year, month, day, hour, minute, second = self.info.date_time
        return (
            LARGE_VERSION if self.is_large else VERSION,
            UTF8 if self.info.is_dir() else UTF8 | HAS_DESCRIPTOR,
            zipfile.ZIP_STORED,
            hour << 11 | minute << 5 | second // 2,
            (year - 1980) << 9 | month << 5 | day,
            crc,
            size,
            size,
        )


def list_entries(
    directory: Path, stopped: Stopped, unsendable: Callable[[OSError], object] | None = None
) -> list[Entry]:
    """
    List everything below a directory, with names relative to it. Blocks.

    Links to files are followed. Links to directories are not, since they could lead back. Only an empty
    directory has an entry of its own: the Go client makes a file of each.

    :param unsendable: is called with the error of each file or directory that cannot be read, which is
        then left out; None: the first such error is raised.
    :raises OSError: something cannot be read, or is neither a file nor a directory.
    :raises StoppedError: it was stopped.
    """
    refuse = unsendable or _raise
    entries = []
    for path in _walk(directory, refuse):
        if stopped():
            raise StoppedError
        name = path.relative_to(directory).as_posix()
        try:
            _check_sendable(path)
            entries.append(
                Entry(path, zipfile.ZipInfo.from_file(path, name, strict_timestamps=False))
            )
        except OSError as error:
            refuse(error)
    return entries


def zip_size(entries: Iterable[Entry]) -> int:
    """Compute the size of a zip, in bytes."""
    return sum(
        part.entry.info.file_size if isinstance(part, _Content) else len(part)
        for part in _layout(entries)
    )


class ZipStream(io.RawIOBase):
    """
    A zip, made while it is read.

    Reading raises OSError where a file cannot be read, and TransferError where its size has changed.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._parts = _layout(entries)
        self._content: _Content | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while True:
            if self._rest:
                count = min(len(view), len(self._rest))
                view[:count] = self._rest[:count]
                self._rest = self._rest[count:]
                return count
            if self._content is not None:
                if count := self._content.readinto(view):
                    return count
                self._content = None
            part = next(self._parts, None)
            if part is None:
                return 0
            if isinstance(part, _Content):
                self._content = part
            else:
                self._rest = memoryview(part)

    def close(self) -> None:
        super().close()
        if self._content is not None:
            self._content.close()


@attrs.define
class _Content:
    """The bytes of an entry; the file is open from the first to the last of them."""

    entry: Entry
    crc: int = 0
    _left: int = attrs.field(init=False)
    _file: io.FileIO | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._left = self.entry.info.file_size

    def readinto(self, view: memoryview) -> int:
        if self.entry.info.is_dir():
            return 0
        if self._file is None:
            self._file = io.FileIO(self.entry.path)
        count = self._file.readinto(view[: self._left])
        self.crc = zlib.crc32(view[:count], self.crc)
        self._left -= count
        if not count:
            if self._left or self._file.read(1):
                change = "shrank" if self._left else "grew"
                raise TransferError(
                    f"{self.entry.info.filename!r} {change} while it was being sent"
                )
            self.close()
        return count

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _layout(entries: Iterable[Entry]) -> Iterator[bytes | _Content]:
    """Lay out a zip. What follows a content is made of what was read of it, which may be nothing."""
    records = []
    offset = 0
    for entry in entries:
        yield (header := entry.header())
        yield (content := _Content(entry))
        yield (descriptor := entry.descriptor(content.crc))
        records.append(entry.record(content.crc, offset))
        offset += len(header) + entry.info.file_size + len(descriptor)
    directory = b"".join(records)
    yield directory
    yield _end(len(records), len(directory), offset)


def _end(count: int, size: int, offset: int) -> bytes:
    """Encode the end of a zip: where its central directory is, and how large."""
    large = b""
    if count >= MOST_ENTRIES or size > LARGEST_FIELD or offset > LARGEST_FIELD:
        rest = LARGE_END.size - 12  # it does not count its first two fields
        version = UNIX | LARGE_VERSION, LARGE_VERSION
        large = LARGE_END.pack(b"PK\6\6", rest, *version, 0, 0, count, count, size, offset)
        large += LARGE_END_LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
        count, size, offset = MOST_ENTRIES, ELSEWHERE, ELSEWHERE
    return large + END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _wide_fields(numbers: Sequence[int]) -> bytes:
    """Encode numbers for which a field of 4 bytes is too small."""
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""


def _walk(directory: Path, refuse: Callable[[OSError], object]) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(directory, onerror=refuse):
        subfolders.sort()
        here = Path(folder)
        if (
            not names
            and here != directory
            and all((here / each).is_symlink() for each in subfolders)
        ):
            yield here
        for name in sorted(names):
            yield here / name


def _check_sendable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise OSError(f"{path} is a link to {path.readlink()}, which does not exist") from None
        raise
    if stat.S_ISREG(mode):
        # Or it would be found in the middle of the transfer.
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    elif not stat.S_ISDIR(mode):
        raise OSError(f"{path} is neither a file nor a directory")


def _raise(error: OSError) -> None:
    raise error
