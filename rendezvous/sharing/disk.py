"""
The disk reserve: the part of the database's disk that is left free for what makes room.

Owns when the disk counts as nearly full. What stores something is refused from there on; what removes
something goes on: `release`, `close`, expiry, and SQLite's log.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs

# How old the figure may be: at 50 MB/s, the most that one client has stored, half a megabyte.
_SECONDS = 0.01
# What is stored goes to SQLite's log first and to its file later.
_COPIES = 2
# The automatic reserve: enough for SQLite's log and a migration's copy, less on a disk that is small itself.
_LEAST_BYTES = 256 << 20
_PART = 20
_MOST_PART = 4


@attrs.frozen
class DiskSpace:
    """The size of a disk and what is free on it, in bytes."""

    total: int
    free: int


def read_disk(directory: str) -> DiskSpace | None:
    """
    Read how full a disk is.

    :param directory: a directory on it.
    :return: None if that cannot be read.
    """
    try:
        disk = os.statvfs(directory)
    except OSError:
        return None
    return DiskSpace(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize)


def automatic_reserve(total: int) -> int:
    """Return the reserve for a disk of `total` bytes: 5 %, at least 256 MiB, at most a quarter."""
    return min(max(_LEAST_BYTES, total // _PART), total // _MOST_PART)


class DiskReserve:
    """
    Says whether there is room for more.

    :param read: reads the disk of the database; returns None where there is nothing to say about it.
    :param reserve: in bytes; None for the automatic one, 0 for none.
    :ivar coming: bytes that are about to be stored; whoever adds some takes them off again when they have
        been stored, or will not be.
    """

    def __init__(self, read: Callable[[], DiskSpace | None], reserve: int | None) -> None:
        self._read = read
        self._reserve = reserve
        self._read_at = float("-inf")
        self._room = 0
        self.coming = 0

    def change(self, reserve: int | None) -> None:
        """Keep another reserve from now on."""
        self._reserve = reserve
        self.refresh()

    def refresh(self) -> None:
        """Have the next question answered by the disk, whatever was read before."""
        self._read_at = float("-inf")

    def has_room(self, now: float) -> bool:
        """
        Return whether more may be stored.

        :param now: seconds of a steady clock.
        """
        if now - self._read_at >= _SECONDS:
            self._read_at = now
            self._room = self._room_left()
        return self._room > _COPIES * self.coming

    def _room_left(self) -> int:
        disk = self._read() if self._reserve != 0 else None
        if disk is None:
            return 1 << 62
        reserve = automatic_reserve(disk.total) if self._reserve is None else self._reserve
        return disk.free - reserve
