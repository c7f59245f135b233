"""
The machine check: file descriptors for clients, and the pipe that the relay moves bytes through.

Reads the limits of a running server from its metrics; without one, those of this process.
"""

from __future__ import annotations

import fcntl
import re
import resource
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

from transit_relay.links.pipe import Pipe, RefusedError
from transit_relay.links.probe import probe
from wormhole_server.config.durations import Bytes, format_size
from wormhole_server.config.groups.relay import TransitLink
from wormhole_server.doctor.finding import Finding, failure, ok, warning
from wormhole_server.doctor.health import server_address
from wormhole_server.doctor.target import Target

# For files, listeners, the database, and connections that are being opened or closed.
_OWN_DESCRIPTORS = 100
# For the metrics page. A healthy server answers at once.
_SECONDS = 5.0
_MAX_FDS = re.compile(r"^wormhole_process_max_fds (\S+)", re.MULTILINE)


def check_descriptors(target: Target) -> Iterator[Finding]:
    """Check that there are enough file descriptors: one for each client and each relay connection."""
    running = _limit_of_server(target)
    limit = running if running is not None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    process = "the server" if running is not None else "a process started here"
    needed = target.clients + _OWN_DESCRIPTORS
    if limit in (resource.RLIM_INFINITY, 0) or limit >= needed:
        yield ok(
            "file descriptors",
            f"{process} may open {_count(limit)}, enough for {target.clients:,} clients",
        )
    else:
        yield warning(
            "file descriptors",
            f"{process} may open {limit:,}; {target.clients:,} clients need {needed:,}",
            f"systemd: LimitNOFILE={needed}; a shell: ulimit -n {needed}; "
            f"Docker: --ulimit nofile={needed}",
        )


def check_pipes(target: Target) -> Iterator[Finding]:
    """Check that the kernel moves the relay's bytes, through a pipe of the size that the settings ask for."""
    settings = target.settings
    if settings.transit_link is TransitLink.PRODUCER or not hasattr(fcntl, "F_SETPIPE_SZ"):
        return
    wanted = settings.transit_pipe_memory
    problem = failure if settings.transit_link is TransitLink.SPLICE else warning
    try:
        pipe = Pipe.make(wanted)
        try:
            probe(pipe)
        finally:
            pipe.close()
    except RefusedError as error:
        yield problem(
            "pipe memory",
            f"the kernel does not move the relay's bytes ({error}), so that relaying takes more CPU",
            "permit splice(2) and F_SETPIPE_SZ of fcntl(2) in the sandbox, or write transit-link=producer",
        )
        return
    if pipe.size < wanted:
        yield problem(
            "pipe memory",
            f"the kernel gives a pipe of {format_size(Bytes(pipe.size))}, not {format_size(wanted)}, "
            "so that relaying takes more CPU",
            f"sysctl fs.pipe-max-size={wanted}, or raise fs.pipe-user-pages-soft, or lower "
            "transit-pipe-memory",
        )
    else:
        yield ok("pipe memory", f"the kernel gives the relay {format_size(Bytes(pipe.size))}")


def _limit_of_server(target: Target) -> int | None:
    """Read the limit of the running server from its metrics; None if there is no such server."""
    for endpoint in target.settings.metrics:
        address = server_address(endpoint)
        if address is None or address.path is not None:
            continue
        scheme = "https" if address.tls else "http"
        try:
            with urlopen(f"{scheme}://{address}/metrics", timeout=_SECONDS) as page:  # noqa: S310
                found = _MAX_FDS.search(page.read().decode(errors="replace"))
        except (URLError, OSError):
            continue
        if found is not None:
            return int(float(found[1]))
    return None


def _count(limit: int) -> str:
    return "any number" if limit in (resource.RLIM_INFINITY, 0) else f"{limit:,}"
