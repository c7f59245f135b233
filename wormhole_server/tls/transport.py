"""
TLS before a factory, whose connections end when they are closed.

Owns how long a peer may take to agree to that. Twisted waits for its answer for as long as the peer likes,
and hands on what it still sends: connections that nobody serves any more could be held for ever.
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

# A few round trips. To close at once could make the kernel reset the connection, and what is on its way
# would be lost.
GOODBYE_SECONDS: Final = 5.0


class TlsTransport(BufferingTLSTransport):
    """One connection."""

    factory: TlsFactory
    _patience: IDelayedCall | None = None

    def loseConnection(self) -> None:
        """Say that this is the end, and wait a while for the peer to say so too."""
        super().loseConnection()
        transport = self.transport
        if self._patience is None and self.connected and transport is not None:
            # What has been written is sent all the same, however long that takes.
            self._patience = self.factory.timers.callLater(
                GOODBYE_SECONDS, transport.loseConnection
            )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It has ended."""
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        super().connectionLost(reason)


class TlsFactory(TLSMemoryBIOFactory):
    """
    Puts TLS before a factory.

    :param connections: makes OpenSSL's side of each connection.
    :ivar timers: for the end of connections, and for what TLS puts off until the next turn.
    """

    protocol = TlsTransport

    def __init__(
        self,
        connections: IOpenSSLServerConnectionCreator,
        factory: IProtocolFactory,
        timers: IReactorTime,
    ) -> None:
        super().__init__(connections, False, factory, timers)
        self.timers = timers
