"""
File descriptors: how many the process may have, how many of them are for connections, and what happens to
connections for which the kernel has none left.

Owns the reserve that is not for connections.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import provider

from wormhole_server.config.kinds import Automatic
from wormhole_twisted.internals import replace_logger

# For the database (a file needs three, PostgreSQL one for each thread), listening ports, the relay's pipe,
# logs, some connections to /metrics, and a copy of the database during a backup. 64 are for connections
# that are being refused.
RESERVED: Final = 160
# One line a minute is enough to see that it goes on.
_LOG_SECONDS: Final = 60.0

_log = Logger()


def raise_descriptor_limit() -> int | None:
    """
    Raise the soft limit on file descriptors to the hard limit.

    The usual soft limit of 1024 is for programs that use select(), which handles no more.

    :return: the limit in effect; None: unlimited.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS has a lower limit, which it does not report
            pass
    return None if soft == resource.RLIM_INFINITY else soft


def connection_limit(wanted: int | Automatic | None, descriptors: int | None) -> int | None:
    """
    Find out how many connections of clients there may be.

    :param wanted: the setting. None is taken literally, a number only as far as the descriptors allow.
    :param descriptors: how many the process may have; None: unlimited.
    :return: None: unlimited.
    """
    if wanted is None:
        return None
    if descriptors is None:
        return None if isinstance(wanted, Automatic) else wanted
    # With few descriptors half of them: a few clients are better than none.
    available = max(descriptors - RESERVED, descriptors // 2)
    return available if isinstance(wanted, Automatic) else min(wanted, available)


def watch_for_exhaustion(
    port: IListeningPort, clock: IReactorTime, refused: Callable[[], object]
) -> None:
    """
    Count the connections that a port closes because no file descriptor is left, and log it once a minute.

    Twisted keeps one descriptor in reserve to accept such connections and close them at once.

    :param refused: called for each of them.
    """
    quiet_until = float("-inf")

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        nonlocal quiet_until
        if "address" in event:
            refused()
        if clock.seconds() >= quiet_until:
            quiet_until = clock.seconds() + _LOG_SECONDS
            _log.error(
                "No file descriptor is left, and new connections are closed. Raise LimitNOFILE= or "
                "ulimit -n, or set a lower connection-limit."
            )

    replace_logger(port, observe)
