"""
The file watch: whether files have changed since they were read.

Owns when a change counts as complete. Looks at the files' metadata when asked, and never at their contents.
Symbolic links are followed: certbot and Kubernetes replace files by pointing a link elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

_Stamp = tuple[tuple[int, ...] | None, ...]


class FileWatch:
    """
    Watches files that are read together.

    :param paths: of the files, which are about to be read.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._read = self._seen = self._stamp()

    def has_changed(self) -> bool:
        """
        Whether the files differ from those that were read, and have not changed since the last call.

        The second condition waits for a writer that replaces them piece by piece.
        """
        before, self._seen = self._seen, self._stamp()
        return self._seen == before and self._seen != self._read

    def files_read(self) -> None:
        """The files are about to be read. Call this before: a change during the reading is a new change."""
        self._read = self._seen = self._stamp()

    def _stamp(self) -> _Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: str) -> tuple[int, ...] | None:
    """What differs after every change; None where the file does not exist or cannot be seen."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
