"""
The garbage collector while the program is imported and its settings are read.

Owns that it rests meanwhile. Imported before everything that is slow, so it imports nothing slow.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """
    Collect no garbage; what exists at the end is never looked at again.

    For code that makes objects which live as long as the process: to collect while they are made, and once
    more for all of them, would take a tenth of the time of a start, and find next to nothing.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()
