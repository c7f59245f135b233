"""
Whether files have changed since they were read.

Owns when a change counts as finished. Reads no content. Looks when it is asked to: a symbolic link that
points elsewhere, as certbot and Kubernetes change files, is seen like any other change.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

_Stamp = tuple[tuple[int, ...] | None, ...]


class Watch:
    """Files that are read together."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._read = self._seen = self._stamp()

    def has_changed(self) -> bool:
        """
        Whether the files are others than those that were read, and still the same as when this was last
        asked: somebody who writes them piece by piece has finished.
        """
        before, self._seen = self._seen, self._stamp()
        return self._seen == before and self._seen != self._read

    def reading(self) -> None:
        """
        The files are about to be read.

        To be called before: what changes meanwhile is a change after it.
        """
        self._read = self._seen = self._stamp()

    def _stamp(self) -> _Stamp:
        return tuple(_look(path) for path in self._paths)


def _look(path: str) -> tuple[int, ...] | None:
    """What is another after every change; None where there is no such file, or none that may be seen."""
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
