"""
The check of the bounds: which of those that hold back abuse are off.
"""

from __future__ import annotations

from collections.abc import Iterator

from wormhole_server.config.bound_settings import settings_that_are_off
from wormhole_server.config.settings import Settings
from wormhole_server.doctor.finding import Finding, ok, warning
from wormhole_server.doctor.target import Target


def check_bounds(target: Target) -> Iterator[Finding]:
    """Report the bounds that are off, and warn of those that are on by default."""
    usual = set(settings_that_are_off(Settings()))
    off = list(settings_that_are_off(target.settings))
    without = [name for bound, name in off if (bound, name) not in usual]
    if without:
        yield warning(
            "bounds",
            f"clients may take as much as they want of what these limit: {', '.join(without)}",
            "remove them from the configuration, so that they have their defaults; see docs/abuse.md",
        )
    elif off:
        names = ", ".join(name for _, name in off)
        yield ok("bounds", f"all that are on by default are on; off, as by default: {names}")
    else:
        yield ok("bounds", "all are on")
