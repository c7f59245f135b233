"""Connected TCP sockets, for tests of what works on real ones."""

from __future__ import annotations

import socket
from unittest import TestCase


def connect_pair(case: TestCase) -> tuple[socket.socket, socket.socket]:
    """
    Connect two sockets over loopback, until the end of a test.

    :return: the peer's, which waits for 5 s at most, and the one that was accepted.
    """
    with socket.create_server(("127.0.0.1", 0)) as port:
        peer = socket.create_connection(port.getsockname(), 5)
        accepted = port.accept()[0]
    for each in (peer, accepted):
        case.addCleanup(each.close)
    return peer, accepted
