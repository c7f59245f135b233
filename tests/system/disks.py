"""
Small disks that tests fill and protect. They are mounted, so whoever runs the tests is root or has sudo.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Disk:
    """A file system of its own, in memory."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self._ballast = where / "ballast"

    def fill(self) -> None:
        """Leave no room for another byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free_bytes(self) -> int:
        """How much is free."""
        disk = os.statvfs(self.where)
        return disk.f_bavail * disk.f_frsize

    def free(self) -> None:
        """Remove what fills it."""
        self._ballast.unlink()

    def protect(self) -> None:
        """Let it be read only; nobody may have a file open there to write to it."""
        _run("mount", "-o", "remount,ro", str(self.where))

    @contextmanager
    def held(self) -> Iterator[None]:
        """For now it takes nothing, and who writes waits; not for "tmpfs"."""
        _run("fsfreeze", "--freeze", str(self.where))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self.where))


@contextmanager
def small_disk(where: Path, size: str = "2m", kind: str = "tmpfs") -> Iterator[Disk]:
    """
    A disk in that directory for the time of a test.

    :param kind: "tmpfs", or "ext4" on a loop device.
    """
    where.mkdir()
    if kind == "tmpfs":
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "none", str(where))
    else:
        image = where.with_suffix(".img")
        _run("truncate", f"--size={size}", str(image))
        _run(
            "mkfs.ext4",
            "-q",
            "-m",
            "0",
            "-E",
            f"root_owner={os.geteuid()}:{os.getegid()}",
            str(image),
        )
        _run("mount", "-o", "loop", str(image), str(where))
    try:
        yield Disk(where)
    finally:
        _run("umount", "--lazy", str(where))


def _run(*command: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, *command], check=True)
