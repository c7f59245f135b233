"""An observer of the bounds, and stamps, for tests."""

from __future__ import annotations

from itertools import count

from wormhole_limits.bounds import Bound, BoundObserver
from wormhole_limits.stamps import zero_bits


class BoundRecorder(BoundObserver):
    """
    Keeps every report.

    :ivar met: which bound, and the key of whose address.
    """

    def __init__(self) -> None:
        self.met: list[tuple[Bound, int]] = []

    def bound_met(self, bound: Bound, block: int) -> None:
        self.met.append((bound, block))


def mint(form: str, bits: int, at_most: int = 160) -> str:
    """
    Compute a stamp with so many zero bits.

    :param form: with a place for the counter.
    """
    stamps = (form.format(counter) for counter in count())
    return next(stamp for stamp in stamps if bits <= zero_bits(stamp) <= at_most)
