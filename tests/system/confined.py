"""
Runs a program under the system call filter and the memory rule of a systemd unit, without systemd:

    python confined.py UNIT COMMAND…

Owns the way from the unit's lines to the kernel, by way of the library that systemd itself uses.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_MDWE = 65
_ALLOW = 0x7FFF0000
_ERRNO_EPERM = 0x00050000 | 1
# No such call on this architecture.
_UNKNOWN = -1


def calls_of(group: str) -> set[str]:
    """The system calls of a group such as @network-io, those of its own groups included."""
    shown = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", group],
        check=True,
        capture_output=True,
        text=True,
    )
    calls: set[str] = set()
    for line in shown.stdout.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            calls |= calls_of(name)
        elif re.fullmatch(r"[a-z0-9_]+", name):
            calls.add(name)
    return calls


def allowed(unit: str) -> set[str]:
    """What the unit's filter lets through."""
    calls = calls_of("@default")
    for words in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        named: set[str] = set()
        for word in words.lstrip("~").split():
            named |= calls_of(word) if word.startswith("@") else {word}
        calls = calls - named if words.startswith("~") else calls | named
    return calls


def confine(unit: str) -> None:
    """Let the rules of the unit hold for this process, and for all that it becomes."""
    libc = ctypes.CDLL(None, use_errno=True)
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(_ERRNO_EPERM))
    # What starts the program; systemd does that before it filters.
    for name in (*allowed(unit), "execve"):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number > _UNKNOWN and seccomp.seccomp_rule_add(context, _ALLOW, number, 0):
            raise OSError(f"no rule for {name}")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no new privileges")
    if "MemoryDenyWriteExecute=yes" in unit and libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "memory that is written and executed cannot be denied")
    if seccomp.seccomp_load(context):
        raise OSError("the filter cannot be loaded")


if __name__ == "__main__":
    confine(Path(sys.argv[1]).read_text())
    os.execv(sys.argv[2], sys.argv[2:])
