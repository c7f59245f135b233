"""What the tests of WebSockets share: a client's request, and a transport in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import StringTransport

REQUEST = (
    b"GET /v1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The answer to that key (RFC 6455, section 1.3)."""


class MemoryTransport(StringTransport):
    """A transport that notes what it was asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self.no_delay: bool | None = None
        self.protocol: Any = None

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's
        """See `ITCPTransport`."""
        self.no_delay = enabled

    def unregisterProducer(self) -> None:
        """See `IConsumer`; like TCP's, it does not mind that there is none."""
        self.producer = None

    def abortConnection(self) -> None:
        """See `ITCPTransport`."""
        self.aborted = True
        super().abortConnection()

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data: bytes = self.value()
        self.clear()
        return data
