"""
The standard streams of the process: open, able to take any text, and known for systemd's journal.

Owns what stands in place of a stream that the parent process has closed. Without that, the next file or
socket gets its descriptor, and what is printed goes there. All commands use it, so it imports nothing slow.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping

# Of syslog(3).
ERROR_PRIORITY = 3


def prepare_standard_streams() -> None:
    """Open /dev/null for each closed stream, and escape characters that a stream cannot encode."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor, so this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or _null()
    sys.stderr = sys.stderr or _null()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Let /dev/null take what is still to be printed: Python flushes stdout once more when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def is_journal(environment: Mapping[str, str], descriptor: int = 2) -> bool:
    """Return whether systemd's journal reads a descriptor, stderr by default (systemd.exec(5))."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def with_priority(line: str, priority: int) -> str:
    """Put the priority that systemd's journal takes a line with before the line (sd-daemon(3))."""
    return f"<{priority}>{line}"


def _null() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")
