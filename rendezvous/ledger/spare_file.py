"""
The spare file: space on the disk of a SQLite file that is given up when the disk is full.

SQLite needs room to make room: what is deleted first goes to its log, and the log is used again from its
beginning only when all of it fitted into the database file. Without the spare file a disk that is full
stays full, even when everything has expired.
"""

from __future__ import annotations

import os

# The log has 4 MiB when it is written back, and the database file grows by as much at most.
MOST_BYTES = 8 << 20
# Of a small disk it takes this part at most.
_PART = 16


class SpareFile:
    """
    A file that holds nothing but its place.

    :param path: on the disk of the database.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def create(self) -> bool:
        """
        Take the space, unless that would leave less than as much again; blocks for some milliseconds.

        :return: whether the file exists.
        """
        try:
            disk = os.statvfs(os.path.dirname(self._path) or ".")
            size = min(MOST_BYTES, disk.f_blocks * disk.f_frsize // _PART)
            if os.path.exists(self._path):
                return True
            if disk.f_bavail * disk.f_frsize < 2 * size:
                return False
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError:
            self.give_up()
            return False
        return True

    def give_up(self) -> None:
        """Give the space to the database."""
        try:
            os.unlink(self._path)
        except OSError:
            # It does not exist, or the disk has become read-only.
            return
