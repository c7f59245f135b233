"""
The ports check: whether a server runs on this machine, is ready, and listens where the configuration says.

Connects to the server's own listeners, not through a proxy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wormhole_server.config.endpoints import Endpoint
from wormhole_server.doctor.finding import Finding, failure, ok
from wormhole_server.doctor.health import UnhealthyError, ask, connect, server_address
from wormhole_server.doctor.target import Target

# For each answer. A healthy server answers at once.
_SECONDS = 5.0


def check_ports(target: Target) -> Iterator[Finding]:
    """Check each listener whose address is in the configuration."""
    settings = target.settings
    yield from _check("rendezvous", settings.rendezvous, "/readyz")
    yield from _check("transit", settings.transit, None)
    yield from _check("metrics", settings.metrics, "/metrics")


def _check(name: str, endpoints: Sequence[Endpoint], page: str | None) -> Iterator[Finding]:
    """
    Check one group of listeners.

    :param page: what to request; None for the relay, which only has to accept connections.
    """
    for endpoint in endpoints:
        address = server_address(endpoint)
        if address is None:
            continue
        try:
            if page is None:
                connect(address, _SECONDS).close()
            else:
                ask(address, page, _SECONDS)
        except UnhealthyError as error:
            problem, _, fix = str(error).partition("; ")
            yield failure(name, problem, fix or "look at the server's log")
        else:
            yield ok(name, f"a server is ready at {address}")
