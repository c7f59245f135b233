"""
How many file descriptors the process may have, and how many of them are for connections.

Owns the reserve, and what becomes of connections that the kernel has no descriptor for.
"""

from __future__ import annotations

import enum
import resource
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import provider

# What is not for clients: the database (a file has three, PostgreSQL one for each thread), listening
# ports, the relay's pipe, logs, some connections to /metrics, and a copy of the database while a backup
# is made. 64 are for clients that are being told that there is no room.
RESERVED: Final = 160
# One line is enough to see that it goes on.
_QUIET_SECONDS: Final = 60.0

_log = Logger()


class Automatic(enum.Enum):
    """A number that the server finds out by itself."""

    AUTO = "auto"


def use_all() -> int | None:
    """
    Let the process have as many descriptors as it may give itself; returns how many, None without limit.

    The usual soft limit of 1024 is for programs that use select(), which could not tell more apart.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS has a lower limit, which it does not tell
            pass
    return None if soft == resource.RLIM_INFINITY else soft


def for_connections(descriptors: int | None) -> int | None:
    """How many of so many descriptors may be connections of clients; None: any number."""
    if descriptors is None:
        return None
    # With few, the half: better a few clients than none.
    return max(descriptors - RESERVED, descriptors // 2)


def connection_limit(wanted: int | Automatic | None, descriptors: int | None) -> int | None:
    """
    How many connections there may be; None: any number.

    :param wanted: what the operator has set. `None` is taken at its word, a number only as far as the
        descriptors go.
    """
    room = for_connections(descriptors)
    if wanted is None:
        return None
    if isinstance(wanted, Automatic):
        return room
    return wanted if room is None else min(wanted, room)


def mind_accepting(port: Any, clock: IReactorTime, refused: Callable[[], None]) -> None:
    """
    Count what `port` has to close because there is no descriptor for it, and say so once a minute.

    Twisted itself holds a descriptor back, to accept such connections with and close them at once. It logs
    each with its address.
    """
    logger = getattr(port, "_logger", None)
    if not isinstance(logger, Logger):
        return
    quiet_until = float("-inf")

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        nonlocal quiet_until
        if "address" in event:
            refused()
        if clock.seconds() >= quiet_until:
            quiet_until = clock.seconds() + _QUIET_SECONDS
            _log.error(
                "No file descriptor is left, and new connections are closed; give the process more "
                "(LimitNOFILE=, ulimit -n), or set --connection-limit."
            )

    port._logger = Logger(namespace=logger.namespace, observer=observe)  # noqa: SLF001 - no other way
