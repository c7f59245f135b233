"""
The dispatcher of connections to the web root: WebSocket clients go to a WebSocket factory, all others to the
web site.

Owns the decision, which is made by the first bytes. twisted.web would parse a WebSocket's request, write it
out again for the WebSocket factory, and keep its own objects for as long as the connection lives: a tenth of
the cost of an exchange. It gets every request that is not a plain opening handshake in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from wormhole_limits.ip_addresses import block_of
from wormhole_limits.scheduler import HANDSHAKE_UNITS, Scheduler, Task
from wormhole_server.listening.factory import ConnectionAddress
from wormhole_server.listening.limiter import RefusalReason
from wormhole_server.listening.proxies.forwarded_headers import parse_headers
from wormhole_server.listening.refused_connections import RefusedWebConnection
from wormhole_server.web.http import PrivateSite
from wormhole_server.web.path_prefix import PathPrefix
from wormhole_twisted.internals import replace_protocol
from wormhole_websocket.handshake import plain_handshake_path

_log = Logger()


class WebDispatcher(Factory):
    """
    Accepts connections, and passes each to the factory that its first bytes are for.

    :param scheduler: says when an opening handshake is carried out.
    :param websockets: by path behind the prefix, such as `/v1`.
    :param site: for everything else, and for clients on the deny list.
    :param starting: for everything, as long as `is_starting`.
    :param wait_seconds: how long a connection may send nothing at all.
    """

    noisy = False

    def __init__(
        self,
        scheduler: Scheduler,
        prefix: PathPrefix,
        websockets: Mapping[bytes, IProtocolFactory],
        site: PrivateSite,
        starting: PrivateSite,
        is_starting: Callable[[], bool],
        wait_seconds: float,
    ) -> None:
        self.clock = scheduler.clock
        self.scheduler = scheduler
        self.site = site
        # It tells its clients itself that they are on the deny list.
        self.rendezvous = websockets[b"/v1"]
        self.wait_seconds = wait_seconds
        self._prefix = prefix
        self._websockets = websockets
        self._starting = starting
        self._is_starting = is_starting

    def allow(self, seconds: float) -> None:
        """Change how long new connections may send nothing, and may take for a request."""
        self.wait_seconds = seconds
        self.site.timeOut = self._starting.timeOut = seconds

    def doStart(self) -> None:  # noqa: N802 - Factory prescribes it
        """A port begins to listen."""
        super().doStart()  # type: ignore[no-untyped-call]
        self.site.doStart()  # type: ignore[no-untyped-call]

    def doStop(self) -> None:  # noqa: N802
        """A port stops listening."""
        self.site.doStop()  # type: ignore[no-untyped-call]
        super().doStop()  # type: ignore[no-untyped-call]

    def logPrefix(self) -> str:
        """The name of the site, for the log."""
        return self.site.logPrefix()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Make a protocol that waits for the first bytes."""
        return UndecidedConnection(self, cast(IAddress, addr))

    def factory_for(self, data: bytes) -> IProtocolFactory:
        """Return the factory for a connection that begins with `data`."""
        if self._is_starting():
            return cast(IProtocolFactory, self._starting)
        path = self._prefix.strip(plain_handshake_path(data) or b"")
        return self._websockets.get(path or b"", cast(IProtocolFactory, self.site))


class UndecidedConnection(Protocol):
    """A connection that has sent nothing yet."""

    def __init__(self, dispatcher: WebDispatcher, address: IAddress) -> None:
        self._dispatcher = dispatcher
        self._address = address
        self._timeout: IDelayedCall | None = None
        self._task: Task | None = None
        self._data = b""
        self._factory: IProtocolFactory | None = None
        self._paused = False

    def connectionMade(self) -> None:
        """Limit the time to the first bytes."""
        self._timeout = self._dispatcher.clock.callLater(
            self._dispatcher.wait_seconds, self._time_out
        )

    def dataReceived(self, data: bytes) -> None:
        """Pass the connection on, now or in its turn; then this protocol is not called again."""
        self._data += data
        if self._task is not None:
            return  # TLS delivers what arrives after a pause
        self._cancel_timeout()
        self._factory = self._dispatcher.factory_for(data)
        client = self._find_client(data)
        if isinstance(client, RefusalReason):
            self._replace(RefusedWebConnection(self._dispatcher.clock, lambda _: None, client))
            return
        scheduler = self._dispatcher.scheduler
        self._task = scheduler.new_task(block_of(client), self._pass_on, opening=True)
        scheduler.arrived(self._task)
        if self._task.waiting:
            cast(IPushProducer, self.transport).pauseProducing()
            self._paused = True

    def _find_client(self, data: bytes) -> IAddress | RefusalReason:
        """Find out whose connection this is, and which factory is for it where it is on the deny list."""
        address, dispatcher = self._address, self._dispatcher
        if not isinstance(address, ConnectionAddress):
            return address
        if not isinstance(self._factory, PrivateSite):
            # What follows the head is the client's, and no proxy has looked at it.
            headers = parse_headers(data.partition(b"\r\n\r\n")[0])
            if self._factory is dispatcher.rendezvous or not address.is_denied(headers):
                client = address.client(headers)
                if not isinstance(client, RefusalReason):
                    self._address = client
                return client
            self._factory = cast(IProtocolFactory, dispatcher.site)
        return address.address

    def _pass_on(self, _: int) -> bool:
        try:
            scheduler, task = self._dispatcher.scheduler, cast(Task, self._task)
            scheduler.spend(task, HANDSHAKE_UNITS)
            scheduler.forget(task)
            factory = cast(IProtocolFactory, self._factory)
            protocol = factory.buildProtocol(self._address)
            if self._paused:
                cast(IPushProducer, self.transport).resumeProducing()
            if protocol is not None:
                self._replace(protocol)
        except Exception:
            _log.failure("A new connection is closed because of an internal error")
            cast(ITCPTransport, self.transport).abortConnection()
        return False

    def _replace(self, protocol: IProtocol) -> None:
        replace_protocol(cast(ITransport, self.transport), protocol, self._data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """The client left, without sending anything or while it waited for its turn."""
        self._cancel_timeout()
        if self._task is not None and self._task.waiting:
            self._dispatcher.scheduler.forget(self._task)

    def _time_out(self) -> None:
        self._timeout = None
        cast(ITCPTransport, self.transport).abortConnection()

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
