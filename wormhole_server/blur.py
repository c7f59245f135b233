"""
Rounding what a usage record says, so that it cannot be matched with what somebody saw on a network. Pure.

Owns the rule of `--blur-usage=DURATION`. Times are rounded down to a multiple of the duration, as the
rendezvous server's are. Sizes are rounded up to two digits, 123456 to 130000: totals stay right to a few
per cent, and a file cannot be told by its size. Nothing at all stays nothing.
"""

from __future__ import annotations

from rendezvous.usage import blur_time

__all__ = ["blur_size", "blur_time"]


def blur_size(size: int, step_seconds: float | None) -> int:
    """`size`, rounded up to two digits; as it is where times are not rounded either."""
    if step_seconds is None:
        return size
    unit = int(10 ** max(0, len(str(size)) - 2))
    return -(-size // unit) * unit
