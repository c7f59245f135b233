"""
What the machine gives a server: file descriptors, and pipes to relay through.

Owns what is asked of a running server's metrics, or where none runs, of this process's own limits.
"""

from __future__ import annotations

import fcntl
import os
import re
import resource
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

from wormhole_server.doctor.case import Case
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.durations import Bytes, format_size
from wormhole_server.health import place
from wormhole_server.settings import TransitLink

# Files, listeners, the database, and what is just coming or going.
_OWN_DESCRIPTORS = 100
_SECONDS = 5.0
_MAX_FDS = re.compile(r"^wormhole_process_max_fds (\S+)", re.MULTILINE)


def descriptors(case: Case) -> Iterator[Finding]:
    """Every client, and every relay connection, is one."""
    running = _of_server(case)
    limit = running if running is not None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    whose = "the server" if running is not None else "a process started here"
    need = case.clients + _OWN_DESCRIPTORS
    if limit in (resource.RLIM_INFINITY, 0) or limit >= need:
        yield ok(
            "file descriptors", f"{whose} may open {_count(limit)}; {case.clients:,} clients fit"
        )
    else:
        yield warning(
            "file descriptors",
            f"{whose} may open {limit:,}; {case.clients:,} clients need {need:,}",
            f"systemd: LimitNOFILE={need}; a shell: ulimit -n {need}; Docker: --ulimit nofile={need}",
        )


def pipes(case: Case) -> Iterator[Finding]:
    """Whether the kernel gives the relay its pipe."""
    settings = case.settings
    if settings.transit_link is TransitLink.PRODUCER or not hasattr(fcntl, "F_SETPIPE_SZ"):
        return
    wanted = settings.transit_pipe_memory
    reading, writing = os.pipe()
    try:
        given = fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, wanted)
    except OSError as error:
        given = fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ)
        yield (failure if settings.transit_link is TransitLink.SPLICE else warning)(
            "pipe memory",
            f"the kernel gives a pipe of {format_size(Bytes(given))}, not {format_size(wanted)} "
            f"({error.strerror}): relaying costs more CPU",
            f"sysctl fs.pipe-max-size={wanted}, a larger fs.pipe-user-pages-soft, or a smaller "
            "transit-pipe-memory",
        )
    else:
        yield ok("pipe memory", f"the kernel gives the relay {format_size(Bytes(given))}")
    finally:
        os.close(reading)
        os.close(writing)


def _of_server(case: Case) -> int | None:
    """What a server that runs with this configuration says of itself."""
    for endpoint in case.settings.metrics:
        where = place(endpoint)
        if where is None or where.path is not None:
            continue
        scheme = "https" if where.tls else "http"
        try:
            with urlopen(f"{scheme}://{where}/metrics", timeout=_SECONDS) as page:  # noqa: S310
                found = _MAX_FDS.search(page.read().decode(errors="replace"))
        except (URLError, OSError):
            continue
        if found is not None:
            return int(float(found[1]))
    return None


def _count(limit: int) -> str:
    return "any number" if limit in (resource.RLIM_INFINITY, 0) else f"{limit:,}"
