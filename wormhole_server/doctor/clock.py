"""
The clock check: whether NTP keeps the clock of this machine, and how it compares with other clocks.

Owns which difference between two clocks is too large.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.target import Target

# Instances on one database compare each other's times with their own clocks, and a nameplate expires after
# an hour: a minute is noticeable.
_MOST_SECONDS = 60.0
# More than the 208 bytes of struct timex on any machine. All zero, it only reads the state.
_TIMEX_BYTES = 512
# TIME_ERROR of adjtimex(2).
_UNSYNCHRONIZED = 5
_FIX = "synchronize it with NTP: apt install systemd-timesyncd (or chrony) on the machine itself"


def check_clock(_: Target) -> Iterator[Finding]:
    """Check whether the kernel reports that its clock is synchronized."""
    state = _state()
    if state == _UNSYNCHRONIZED:
        yield warning("clock", "this machine's clock is not synchronized", _FIX)
    elif state is not None and state >= 0:
        yield ok("clock", "is synchronized by NTP")


def judge_clock(name: str, ahead: float, tolerance: float) -> Finding:
    """
    Judge the difference between this machine's clock and another.

    :param name: of the check.
    :param ahead: how far this machine's clock is ahead, in seconds.
    :param tolerance: the precision of the comparison, in seconds.
    """
    if abs(ahead) <= tolerance:
        return ok(name, "agrees with this machine's clock")
    text = f"this machine's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    return (failure if abs(ahead) > _MOST_SECONDS else warning)(name, text, _FIX)


def _state() -> int | None:
    """Read the kernel's clock state; None where there is no adjtimex(2)."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    return int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
