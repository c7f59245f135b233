"""
How this client reaches others: plainly, or through Tor (see `tor`). Owns the making of endpoints,
with TLS where a URL asks for it. Nothing else in the package names a socket class.
"""

from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import attrs
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

CONNECT_TIMEOUT: Final = 20  # seconds; a laptop on a train needs ten
DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


class Network(Protocol):
    """A way to reach others."""

    @property
    def direct(self) -> bool:
        """Whether we may listen, tell our addresses and connect to private ones."""

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        """An endpoint that connects to `host`."""


@attrs.frozen
class Internet:
    """Plain TCP; names are resolved here, both address families are tried."""

    reactor: Any
    direct: bool = True

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        return HostnameEndpoint(self.reactor, host, port, timeout=CONNECT_TIMEOUT)


@attrs.frozen
class WebSocketAddress:
    """A `ws://` or `wss://` URL, taken apart."""

    url: str
    secure: bool
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "WebSocketAddress":
        """
        :raises ValueError: not such a URL; the text says why.
        """
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError(f"{url!r} is not a WebSocket URL: it starts with ws:// or wss://")
        if not parts.hostname:
            raise ValueError(f"{url!r} names no host")
        try:
            port = parts.port or DEFAULT_PORTS[parts.scheme]
        except ValueError as cause:
            raise ValueError(f"{url!r} has no valid port") from cause
        return cls(url, parts.scheme == "wss", parts.hostname, port)

    def endpoint(self, network: Network) -> IStreamClientEndpoint:
        plain = network.endpoint(self.host, self.port)
        if not self.secure:
            return plain
        secured: IStreamClientEndpoint = wrapClientTLS(optionsForClientTLS(self.host), plain)
        return secured
