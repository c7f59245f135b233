"""
Hashcash stamps, version 1: the proof of work that a server may require before `bind`. No I/O.

Owns the form of a stamp and the search for its counter, which takes 2^bits steps on average.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Final

MAX_BITS: Final = 26
"""A minute of a laptop. Of what is longer than that, nobody would know that it ends."""

_STEPS: Final = 4096  # some milliseconds between two looks at `stopped`


def mint_stamp(
    bits: int, resource: str, now: float, nonce: str, stopped: Callable[[], bool]
) -> str | None:
    """
    Compute a stamp.

    :param now: seconds since the epoch.
    :param nonce: random letters and digits.
    :param stopped: whether to give up.
    :return: None if it was stopped.
    """
    date = datetime.fromtimestamp(now, UTC).strftime("%y%m%d%H%M%S")
    beginning = f"1:{bits}:{date}:{resource}::{nonce}:"
    prefix = hashlib.sha1(beginning.encode(), usedforsecurity=False)
    limit = 1 << (160 - bits)
    for first in count(0, _STEPS):
        if stopped():
            break
        for counter in range(first, first + _STEPS):
            digest = prefix.copy()
            digest.update(b"%x" % counter)
            if int.from_bytes(digest.digest()) < limit:
                return f"{beginning}{counter:x}"
    return None
