"""
The TLS transport: TLS connections that end within a bounded time after they are closed.

Owns the timeout of the closing handshake. Twisted waits for the peer's answer without a limit, and delivers
what the peer still sends: a peer could hold a closed connection open for ever.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure

# A few round trips. Closing at once could make the kernel reset the connection, and lose what is under way.
CLOSE_SECONDS: Final = 5.0


class TlsTransport(BufferingTLSTransport):
    """One TLS connection."""

    factory: TlsFactory
    _timeout: IDelayedCall | None = None

    def loseConnection(self) -> None:
        """Send close_notify, and close the connection when the peer has answered, or after a timeout."""
        super().loseConnection()
        transport = self.transport
        if self._timeout is None and self.connected and transport is not None:
            # loseConnection still sends what was written, however long that takes.
            self._timeout = self.factory.clock.callLater(CLOSE_SECONDS, transport.loseConnection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel the timeout."""
        if self._timeout is not None and self._timeout.active():
            self._timeout.cancel()
        super().connectionLost(reason)


class TlsFactory(TLSMemoryBIOFactory):
    """
    Serves another factory over TLS.

    :param connections: makes OpenSSL's side of each connection.
    :param factory: makes the protocols inside TLS.
    :ivar clock: for the closing timeout, and for what TLS delays until the next turn of the reactor.
    """

    protocol = TlsTransport

    def __init__(
        self,
        connections: IOpenSSLServerConnectionCreator,
        factory: IProtocolFactory,
        clock: IReactorTime,
    ) -> None:
        super().__init__(connections, False, factory, clock)
        self.clock = clock
