"""
The line to paste on the other machine: which options make `wormhole` use this server.

Owns its words, and the guess at this machine's address, which needs a look at the network.
"""

from __future__ import annotations

import contextlib
import socket

from wormhole_server.reach import Reach


def paste_line(reach: Reach) -> str | None:
    """
    `wormhole --relay-url=ws://HOST:PORT/v1 --transit-helper=tcp:HOST:PORT send FILE`

    :return: None where nothing listens on the internet, such as behind a Unix socket.
    """
    options = []
    if reach.relay_url is not None:
        options.append(f"--relay-url={reach.relay_url}")
    if reach.transit_helper is not None:
        options.append(f"--transit-helper={reach.transit_helper}")
    return f"wormhole {' '.join(options)} send FILE" if options else None


def local_host() -> str:
    """
    The address that this machine talks to the internet from; its name where it does not.

    Connecting a datagram socket sends nothing: it makes the system choose a route.
    """
    # Addresses from the blocks for documentation: nobody is there, and the default route leads there.
    for family, elsewhere in (
        (socket.AF_INET, "192.0.2.1"),
        (socket.AF_INET6, "2001:db8::1"),
    ):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    return socket.gethostname()
