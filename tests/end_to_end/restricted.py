"""
A program on a machine that forbids something: `python -m tests.end_to_end.restricted WHAT... -- COMMAND...`.

The kernel itself refuses the system calls (seccomp(2)), for the command and everything that it starts.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final

import attrs

_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

# Instructions of the classic BPF.
_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_RETURN: Final = 0x06

_NUMBERS: Final = {
    "x86_64": {"socket": 41, "fcntl": 72, "splice": 275},
    "aarch64": {"socket": 198, "fcntl": 25, "splice": 76},
}


@attrs.frozen
class Rule:
    """A system call that is refused if one of its arguments has a value."""

    call: str
    error: int
    argument: int | None = None
    value: int = 0


RULES: Final = {
    "ipv6": Rule("socket", errno.EAFNOSUPPORT, 0, socket.AF_INET6),
    "splice": Rule("splice", errno.EPERM),
    "pipe-size": Rule("fcntl", errno.EPERM, 1, fcntl.F_SETPIPE_SZ),
    "asking-pipe-size": Rule("fcntl", errno.EPERM, 1, fcntl.F_GETPIPE_SZ),
}


def command(what: Sequence[str], command: Sequence[str]) -> list[str]:
    """The command line of `command` where `what` is forbidden."""
    return [sys.executable, "-m", "tests.end_to_end.restricted", *what, "--", *command]


def _instructions(rules: Sequence[Rule]) -> bytes:
    def instruction(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, true, false, value)

    program = b""
    numbers = _NUMBERS[platform.machine()]
    for rule in rules:
        refuse = instruction(_RETURN, _ERRNO | rule.error)
        if rule.argument is not None:
            refuse = (
                instruction(_LOAD, 16 + 8 * rule.argument)
                + instruction(_EQUAL, rule.value, false=1)
                + refuse
            )
        program += instruction(_LOAD, 0)
        program += instruction(_EQUAL, numbers[rule.call], false=len(refuse) // 8)
        program += refuse
    return program + instruction(_RETURN, _ALLOW)


def _forbid(rules: Sequence[Rule]) -> None:
    program = _instructions(rules)
    memory = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def _main(arguments: Sequence[str]) -> None:
    place = list(arguments).index("--")
    _forbid([RULES[each] for each in arguments[:place]])
    os.execvp(arguments[place + 1], list(arguments[place + 1 :]))


if __name__ == "__main__":
    _main(sys.argv[1:])
