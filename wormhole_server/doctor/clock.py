"""
The clock: whether anything keeps it right, and whether it agrees with others'.

Owns what is asked of the kernel, and how far off is too far.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, failure, ok, warning

# Instances on one database judge each other's rows by their clocks: a nameplate lives for an hour.
_FAR_SECONDS = 60.0
# More than the 208 bytes of struct timex, whatever the machine; all zero, it only asks.
_TIMEX_BYTES = 512
_UNSYNCHRONISED = 5
_MEND = "let NTP keep it: apt install systemd-timesyncd (or chrony) on the machine itself"


def clock(_: Case) -> Iterator[Finding]:
    """Whether the kernel believes that something keeps its clock."""
    state = _state()
    if state == _UNSYNCHRONISED:
        yield warning("clock", "nothing keeps this machine's clock right", _MEND)
    elif state is not None and state >= 0:
        yield ok("clock", "is kept right by NTP")


def judged(which: str, ahead: float, tolerance: float) -> Finding:
    """
    What to say of a difference between two clocks.

    :param ahead: of this machine's, in seconds.
    :param tolerance: within which they agree, as far as can be seen.
    """
    if abs(ahead) <= tolerance:
        return ok(which, "agrees with this machine's")
    text = f"this machine's is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    return (failure if abs(ahead) > _FAR_SECONDS else warning)(which, text, _MEND)


def _state() -> int | None:
    """The kernel's; None where it cannot be asked."""
    try:
        ask = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    return int(ask(ctypes.create_string_buffer(_TIMEX_BYTES)))
