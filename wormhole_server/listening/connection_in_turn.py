"""
The connection in turn: a new connection, until it is its turn to be given to the protocol that serves it.

Owns nothing of what the peer says. It stands before protocols whose beginning costs much, and which do not
wait by themselves.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from wormhole_limits.ip_addresses import block_of
from wormhole_limits.scheduler import HANDSHAKE_UNITS, Scheduler, Task
from wormhole_twisted.internals import replace_protocol

_log = Logger()


class ConnectionInTurn(Protocol):
    """
    Reads nothing until it is its turn.

    :param factory: makes the protocol that serves it.
    :param address: of the client.
    """

    def __init__(
        self, scheduler: Scheduler, factory: IProtocolFactory, address: IAddress | None
    ) -> None:
        self._scheduler = scheduler
        self._factory = factory
        self._address = address
        self._data = b""
        self._paused = False
        self._served: IProtocol | None = None
        self._task: Task = scheduler.new_task(block_of(address), self._serve, opening=True)

    def connectionMade(self) -> None:
        """Wait, or be served at once."""
        self._scheduler.arrived(self._task)
        if self._task.waiting:
            self._paused = True
            cast(Any, self.transport).pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """Keep what had been read before the pause; pass on what comes too late for this protocol."""
        if self._served is not None:
            self._served.dataReceived(data)
        else:
            self._data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """The client has left before its turn."""
        self._scheduler.forget(self._task)

    def _serve(self, _: int) -> bool:
        self._scheduler.spend(self._task, HANDSHAKE_UNITS)
        self._scheduler.forget(self._task)
        transport = cast(ITransport, self.transport)
        try:
            self._served = self._factory.buildProtocol(cast(IAddress, self._address))
            if self._paused:
                cast(Any, transport).resumeProducing()
            if self._served is None:
                transport.loseConnection()
            else:
                replace_protocol(transport, self._served, self._data)
        except Exception:
            _log.failure("A new connection is closed because of an internal error")
            cast(ITCPTransport, transport).abortConnection()
        return False
