"""
A pair in the relay that does what a test says, when it says so.
"""

from __future__ import annotations

import socket
import ssl

from tests.end_to_end.processes import SECONDS


class Peer:
    """One end, on a blocking socket."""

    def __init__(self, port: int, token: str, side: str, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket)
        self.send(f"please relay {token * 64} for side {side * 16}\n".encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def expect(self, data: bytes) -> None:
        """The next bytes are these."""
        got = b""
        while len(got) < len(data):
            piece = self.socket.recv(len(data) - len(got))
            assert piece, f"the connection ended after {got!r}"
            got += piece
        assert got == data

    def expect_end(self) -> None:
        """The relay closes the connection."""
        assert self.socket.recv(1) == b""

    def close(self) -> None:
        self.socket.close()


def pair(port: int, token: str = "a") -> tuple[Peer, Peer]:
    """Two that have met."""
    first, second = Peer(port, token, "1"), Peer(port, token, "2")
    first.expect(b"ok\n")
    second.expect(b"ok\n")
    return first, second
