"""
Ports and addresses for servers that tests start.
"""

from __future__ import annotations

import os
import random
import socket
from contextlib import closing, suppress
from ipaddress import IPv4Address

# Above those of services, below those that Linux gives to connections: tests that run at the same time open
# thousands of these, and one of them would take the port of a server that is down for a restart.
_PORTS = range(10_000, 32_768)
# Each once, so that a port that was given is not given again before its server listens.
_candidates = iter(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def own_address() -> str:
    """An address of loopback that no other process of pytest has, for servers whose port is a fixed one."""
    return str(IPv4Address("127.64.0.0") + os.getpid())  # below 2**22


def free_port() -> int:
    """Find a port of 127.0.0.1 on which nobody listens."""
    for port in _candidates:
        with suppress(OSError), closing(socket.create_server(("127.0.0.1", port))):
            return port
    raise AssertionError("no port is free")
