"""
The server on this machine: whether it runs, is ready, and listens where the configuration says.

Owns what is asked of its own listeners, without going through what stands in front of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, failure, ok
from wormhole_server.health import UnhealthyError, check, place

_SECONDS = 5.0


def ports(case: Case) -> Iterator[Finding]:
    """Ask each listener whose place the configuration tells."""
    settings = case.settings
    for name, endpoints, ask in (
        ("rendezvous", settings.rendezvous, lambda each: check([each], [], "/readyz", _SECONDS)),
        ("transit", settings.transit, lambda each: check([], [each], "", _SECONDS)),
        ("metrics", settings.metrics, lambda each: check([each], [], "/metrics", _SECONDS)),
    ):
        for endpoint in endpoints:
            where = place(endpoint)
            if where is None:
                continue
            try:
                partial(ask, endpoint)()
            except UnhealthyError as error:
                what, _, mend = str(error).partition("; ")
                yield failure(name, what, mend or "look at the server's log")
            else:
                yield ok(name, f"a server is ready at {where}")
