"""
The list of everything that is looked at, in the order in which one thing rests on another.

Owns that no look keeps the others from being made: what nobody foresaw is a finding like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.certificates import certificates
from wormhole_server.doctor.client import client
from wormhole_server.doctor.clock import clock
from wormhole_server.doctor.finding import Finding, failure, ok
from wormhole_server.doctor.front import front
from wormhole_server.doctor.machine import descriptors, pipes
from wormhole_server.doctor.ports import ports
from wormhole_server.doctor.storage import storage

Check = Callable[[Case], Iterator[Finding]]


def configuration(case: Case) -> Iterator[Finding]:
    """That it can be used is certain by now; which one it is may not be the one that was meant."""
    origins = case.loaded.origins.values()
    file = f" from {case.settings.config}" if case.settings.config else ", without a file"
    changed = sum(origin != "default" for origin in origins)
    yield ok(
        "configuration", f"is right{file}; {changed} of {len(origins)} settings are not default"
    )


CHECKS: Sequence[Check] = (
    configuration,
    storage,
    descriptors,
    pipes,
    clock,
    certificates,
    ports,
    front,
    client,
)


def examine(case: Case, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Everything, one after the other."""
    for check in checks:
        try:
            yield from check(case)
        except Exception as error:  # the next look may still say what is wrong
            yield failure(
                check.__name__,
                f"could not be looked at: {type(error).__name__}: {error}",
                "this is a mistake in the program: please report it, with this line",
            )
