"""
The link to a rendezvous server: text messages over one WebSocket connection.

Owns the interfaces by which the state machines use a link, so that tests can put a server in memory
in its place. Knows nothing of what the messages say.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wormhole_client.network.endpoints import Network, WebSocketAddress
from wormhole_client.network.websocket import WebSocketConnection, open_websocket


class ServerLink(Protocol):
    """An open connection to the rendezvous server."""

    def send(self, text: bytes) -> None:
        """Send one message."""

    def close(self) -> None:
        """End the connection. The owner's `lost` is called once, when it has ended."""


class LinkOwner(Protocol):
    """The receiver of what happens on a link."""

    def received(self, text: bytes) -> None:
        """Handle one message."""

    def lost(self) -> None:
        """Handle the end of the link, whichever end or network caused it."""


Dial = Callable[[LinkOwner], Deferred[ServerLink]]
"""
Opens a link. Cancelling the Deferred gives up. The owner's methods are called only after the
Deferred has fired.
"""


class _TextConnection(WebSocketConnection):
    owner: LinkOwner

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002, N803 - Autobahn's
        self.owner.received(payload)

    def ended(self, reason: Failure) -> None:  # noqa: ARG002 - the owner reconnects in any case
        self.owner.lost()


@attrs.frozen
class WebSocketLink:
    """A link over WebSocket."""

    connection: _TextConnection

    def send(self, text: bytes) -> None:
        self.connection.send(text, binary=False)

    def close(self) -> None:
        self.connection.close()


def server_dial(reactor: object, network: Network, url: str) -> Dial:
    """
    Make the function that opens links to a rendezvous server.

    :raises ValueError: `url` is not a WebSocket URL.
    """
    WebSocketAddress.parse(url)

    def dial(owner: LinkOwner) -> Deferred[ServerLink]:
        def linked(connection: _TextConnection) -> ServerLink:
            connection.owner = owner
            return WebSocketLink(connection)

        return open_websocket(reactor, network, url, _TextConnection).addCallback(linked)

    return dial
