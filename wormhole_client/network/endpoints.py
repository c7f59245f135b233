"""
Client endpoints: where a host is reached over TCP, with TLS where a URL asks for it.

Owns the timeouts of connecting. The rest of the package names no socket class; `tor` has the other
implementation of `Network`.
"""

from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import attrs
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

CONNECT_TIMEOUT: Final = 20  # seconds; a mobile network may need ten
DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


class Network(Protocol):
    """A way to reach other hosts."""

    @property
    def direct(self) -> bool:
        """Whether this end may listen, publish its addresses, and connect to private ones."""

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        """
        Make an endpoint that connects to a host.

        :param host: a name or an address.
        """


@attrs.frozen
class Internet:
    """
    Plain TCP. Names are resolved on this machine; both address families are tried.

    :ivar source_address: the local address to connect from; None: the system chooses.
    """

    reactor: Any
    direct: bool = True
    source_address: str | None = None

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        return HostnameEndpoint(
            self.reactor, host, port, timeout=CONNECT_TIMEOUT, bindAddress=self.source_address
        )


@attrs.frozen
class WebSocketAddress:
    """The parts of a `ws://` or `wss://` URL."""

    url: str
    secure: bool
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "WebSocketAddress":
        """
        Split a URL.

        :raises ValueError: it is not a WebSocket URL with a host and a valid port.
        """
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError(f"{url!r} is not a WebSocket URL: it starts with ws:// or wss://")
        if not parts.hostname:
            raise ValueError(f"{url!r} has no host")
        try:
            port = parts.port or DEFAULT_PORTS[parts.scheme]
        except ValueError as cause:
            raise ValueError(f"{url!r} has no valid port") from cause
        return cls(url, parts.scheme == "wss", parts.hostname, port)

    def endpoint(self, network: Network) -> IStreamClientEndpoint:
        """
        Make an endpoint for the host of the URL.

        :return: an endpoint that speaks TLS and verifies the certificate if the URL is `wss://`.
        """
        plain = network.endpoint(self.host, self.port)
        if not self.secure:
            return plain
        secured: IStreamClientEndpoint = wrapClientTLS(optionsForClientTLS(self.host), plain)
        return secured
