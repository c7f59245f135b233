"""
The examination: all checks, in an order in which each relies only on those before it.

Owns that a check which raises does not keep the others from running.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from wormhole_server.doctor.bounds import check_bounds
from wormhole_server.doctor.certificates import check_certificates
from wormhole_server.doctor.client import check_client
from wormhole_server.doctor.clock import check_clock
from wormhole_server.doctor.finding import Finding, failure, ok
from wormhole_server.doctor.machine import check_descriptors, check_pipes
from wormhole_server.doctor.ports import check_ports
from wormhole_server.doctor.public_url import check_public_url
from wormhole_server.doctor.storage import check_storage
from wormhole_server.doctor.target import Target

# A check of this machine blocks; a check as a client uses the reactor.
LocalCheck = Callable[[Target], Iterator[Finding]]
ClientCheck = Callable[[Target, Any], AsyncIterator[Finding]]


def check_configuration(target: Target) -> Iterator[Finding]:
    """Report which configuration is examined: it is valid, but may be another than the server's."""
    origins = target.loaded.origins.values()
    file = f" from {target.settings.config}" if target.settings.config else ", without a file"
    changed = sum(origin != "default" for origin in origins)
    yield ok(
        "configuration", f"is valid{file}; {changed} of {len(origins)} options are not default"
    )


LOCAL_CHECKS: Sequence[LocalCheck] = (
    check_configuration,
    check_storage,
    check_descriptors,
    check_pipes,
    check_clock,
    check_certificates,
    check_bounds,
    check_ports,
)
CLIENT_CHECKS: Sequence[ClientCheck] = (check_public_url, check_client)


async def examine(
    target: Target,
    reactor: Any,
    local_checks: Sequence[LocalCheck] = LOCAL_CHECKS,
    client_checks: Sequence[ClientCheck] = CLIENT_CHECKS,
) -> AsyncIterator[Finding]:
    """Run all checks one after the other."""
    for local_check in local_checks:
        try:
            for finding in local_check(target):
                yield finding
        except Exception as error:  # whatever it is, the other checks still run
            yield _unexpected(local_check.__name__, error)
    for client_check in client_checks:
        try:
            async for finding in client_check(target, reactor):
                yield finding
        except Exception as error:  # whatever it is, the other checks still run
            yield _unexpected(client_check.__name__, error)


def _unexpected(check: str, error: Exception) -> Finding:
    return failure(
        check.removeprefix("check_").replace("_", " "),
        f"the check failed with {type(error).__name__}: {error}",
        "this is an error in the program: please report it with this line",
    )
