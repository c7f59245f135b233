"""
Autobahn, which carries out opening handshakes (RFC 6455, section 4) that are not plain, and nothing after.

Owns every use of what Autobahn does not document. (Its native code for masks is used by `masking`.) Written
for Autobahn 25.10 to 26; `tests/wormhole_websocket/test_autobahn.py` fails where a later one differs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, Final

# Autobahn imports its native code for frames together with a parser of C, which takes 30 ms. It reads no
# frames here, and `masking` imports what it uses by itself.
os.environ.setdefault("AUTOBAHN_USE_NVX", "0")

import autobahn.util
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.interfaces import IReactorTime, ITransport
from twisted.logger import Logger

from wormhole_websocket.handshake import plain_response

_log = Logger()

_VERSION: Final = 13
"""Of the protocol (RFC 6455, section 11.6)."""

# Undocumented: whether Autobahn colours the texts that it makes for a log which nobody keeps, a tenth of the
# cost of a handshake.
autobahn.util._HAS_CLICK = False  # noqa: SLF001

UNSUPPORTED_OPTIONS: Final = frozenset(
    {
        "applyMask",
        "autoFragmentSize",
        "echoCloseCodeReason",
        "failByDrop",
        "maskServerFrames",
        "maxFramePayloadSize",
        "requireMaskedClientFrames",
        "utf8validateIncoming",
    }
)
"""Options of Autobahn for what comes after the opening handshake and that have no meaning here."""


class _QuietLogger:
    """
    Stands in for txaio's loggers: Autobahn names peers in what it logs, and warns of their faults.

    Only exceptions are logged.
    """

    def _ignore(self, *_: Any, **__: Any) -> None: ...

    trace = debug = info = error = critical = _ignore

    def warn(self, *_: Any, err: Any = None, **__: Any) -> None:
        """Log an exception in `onConnect`, which Autobahn answers with status 500."""
        if err is not None:
            self.failure(failure=err)

    def failure(self, *_: Any, failure: Any = None, **__: Any) -> None:
        """Log an exception that Autobahn caught."""
        _log.failure("Autobahn caught an exception", failure)


class Opening(WebSocketServerProtocol):
    """
    The opening handshake of one connection.

    :ivar unread: what the peer sent behind its request, once the handshake has succeeded; until then None.
    :ivar subprotocol: the one of the factory's subprotocols that the peer has asked for, if any.
    """

    log = _QuietLogger()  # `log` is undocumented
    data: Any  # undocumented: bytes that have been received and not been used
    # Undocumented: the options that Autobahn copies from the factory to each connection, and formats for a
    # log that nobody keeps, which costs 0.2 ms. They are copied by `OpeningFactory.begin`.
    CONFIG_ATTRS: Any = ()
    # The timers are ours, for Autobahn's run on the global reactor.
    openHandshakeTimeout = 0  # noqa: N815 - Autobahn's
    autoPingInterval = 0  # noqa: N815

    unread: bytes | None = None
    subprotocol: str | None = None

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """Choose the subprotocol."""
        for name in request.protocols:
            if name in self.factory.subprotocols:
                self.subprotocol = name
                break
        return self.subprotocol

    def onOpen(self) -> None:
        """Take what Autobahn would go on to read as frames."""
        self.unread, self.data = self.data, b""

    def _parseExtensionsHeader(self, *_: Any) -> list[Any]:  # noqa: N802 - undocumented
        """
        Decline every extension.

        Autobahn would fail the handshake for a parameter that it does not know (RFC 7692, section 7.1).
        """
        return []

    @property
    def has_failed(self) -> bool:
        """Whether Autobahn has refused the handshake and closed the connection."""
        return bool(self.state == self.STATE_CLOSED)  # `state` is undocumented


class OpeningFactory(WebSocketServerFactory):
    """
    Begins opening handshakes, and holds the options for them.

    :param options: for Autobahn's `setProtocolOptions`.
    :param subprotocols: which the server speaks, for peers that ask for one (RFC 6455, section 1.9).
    """

    log = _QuietLogger()
    countConnections: int  # noqa: N815 - Autobahn's, which compares it with its option maxConnections
    maxConnections: int  # noqa: N815
    versions: list[int]

    def __init__(
        self,
        clock: IReactorTime,
        options: Mapping[str, Any],
        subprotocols: Collection[str] = (),
    ) -> None:
        super().__init__(reactor=clock, server="")  # type: ignore[no-untyped-call]
        self.subprotocols = subprotocols
        self.configure(options)

    def configure(self, options: Mapping[str, Any]) -> None:
        """Use these options, and Autobahn's defaults for all others, from the next connection on."""
        self.resetProtocolOptions()  # type: ignore[no-untyped-call]
        self.setProtocolOptions(**options)  # type: ignore[no-untyped-call]
        self._attributes = {
            name: getattr(self, name) for name in _OPTION_NAMES if not hasattr(Opening, name)
        }

    def option(self, name: str) -> Any:
        """The value of an option of Autobahn's that holds after the opening."""
        return getattr(self, name)

    def answer(self, transport: ITransport, data: bytes) -> bytes | None:
        """
        Answer a handshake about which nothing has to be decided; the connection counts until `ended`.

        :param data: what the connection begins with.
        :return: the response; None: Autobahn has to answer it.
        """
        if self.maxConnections or _VERSION not in self.versions:
            return None
        response = plain_response(data)
        if response is not None:
            self.countConnections += 1
            if hasattr(transport, "setTcpNoDelay"):  # UNIX sockets have none
                transport.setTcpNoDelay(self.option("tcpNoDelay"))
        return response

    def begin(self, transport: ITransport) -> Opening:
        """Begin a handshake that Autobahn answers; the connection counts until `ended`."""
        opening: Any = Opening()
        opening.factory = self
        vars(opening).update(self._attributes)
        opening.makeConnection(transport)
        made: Opening = opening
        return made

    def reopened(self) -> None:
        """A connection is here whose handshake another process has answered; it counts until `ended`."""
        self.countConnections += 1

    def ended(self) -> None:
        """A connection is gone whose handshake had succeeded; Autobahn counts the others."""
        self.countConnections -= 1


# Undocumented: the names of the options.
_OPTION_NAMES: Final[tuple[str, ...]] = (
    *WebSocketServerProtocol.CONFIG_ATTRS_COMMON,
    *WebSocketServerProtocol.CONFIG_ATTRS_SERVER,
)
