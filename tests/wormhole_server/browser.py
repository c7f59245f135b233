"""An HTTP client for tests: bytes into a site, bytes out, in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure


class Transport(StringTransport):
    """
    What Twisted's own transports are beside.

    :ivar protocol: where Autobahn puts its own.
    """

    protocol: Any

    def unregisterProducer(self) -> None:
        """That there is none is no error."""
        self.producer = None


class Connection:
    """One connection to `site`."""

    def __init__(self, site: Any) -> None:
        self.transport = Transport()
        self.channel: Any = site.buildProtocol(None)
        self.transport.protocol = self.channel
        self.channel.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """The client sends `data`."""
        self.transport.protocol.dataReceived(data)

    def get(self, path: str, method: str = "GET", headers: str = "") -> None:
        """The client sends a whole request."""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())

    def received(self) -> bytes:
        """What the client has got since it asked last."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def leave(self) -> None:
        """The client is gone."""
        self.transport.protocol.connectionLost(Failure(ConnectionDone()))


def fetch(site: Any, path: str, method: str = "GET", headers: str = "") -> tuple[int, str, str]:
    """The status, the head and the body of what `site` answers at once."""
    connection = Connection(site)
    connection.get(path, method, headers)
    return split(connection.received())


def split(answer: bytes) -> tuple[int, str, str]:
    """Status, head and body of an answer."""
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head.lower(), body
