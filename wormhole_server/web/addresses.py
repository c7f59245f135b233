"""
The addresses of the servers: what a client has to be given to reach them.

Owns how they follow from the settings, from the ports that listen, and from the name that a browser has
used. For a port on all addresses it asks the system for a route, which sends nothing.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

import attrs
from twisted.internet.address import IPv4Address, IPv6Address

from wormhole_server.config.endpoints import endpoint_kind
from wormhole_server.listening.ports import BoundEndpoint
from wormhole_server.web.path_prefix import PathPrefix

# What browsers send, and nothing that a shell or a page could take for more than a name.
_HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# The longest name, with a port.
_HOST_LETTERS = 253 + len(":65535")


@attrs.frozen
class ServerAddresses:
    """
    The addresses of both servers; None for one that clients cannot reach over the internet.

    :ivar relay_url: the rendezvous server, as `ws://HOST:PORT/v1`.
    :ivar transit_helper: the relay over TCP, as `tcp:HOST:PORT`.
    """

    relay_url: str | None
    transit_helper: str | None


@attrs.frozen
class PublicAddresses:
    """
    Finds the addresses of the servers.

    :ivar host: what clients call this machine, if the operator has set it.
    :ivar url: the whole URL of /v1, if the operator has set it, such as for a proxy in front.
    :ivar transit: the relay as `tcp:HOST:PORT`, if the operator has set it.
    :ivar prefix: the path before /v1.
    :ivar bound: the endpoints that listen, by the name of their option; filled when they are bound.
    :ivar guess_host: returns a name or address of this machine, for ports that listen on all addresses.
    """

    host: str | None
    url: str | None
    transit: str | None
    prefix: PathPrefix
    bound: Mapping[str, Sequence[BoundEndpoint]]
    guess_host: Callable[[], str]

    def for_operator(self) -> ServerAddresses:
        """Return the addresses as far as the settings and this machine tell them."""
        relay_url = self.url
        for bound in self.bound.get("rendezvous", ()):
            if relay_url is None and (place := self._place(bound, self.guess_host)):
                scheme = "wss" if endpoint_kind(bound.endpoint) == "ssl" else "ws"
                relay_url = f"{scheme}://{place}{self.prefix.text}/v1"
        return ServerAddresses(relay_url, self._transit_helper(self.guess_host))

    def for_log(self) -> ServerAddresses:
        """Return those for the operator, without the prefix, which is a secret."""
        found = self.for_operator()
        url = found.relay_url
        return attrs.evolve(found, relay_url=None if url is None else self.prefix.hide(url))

    def for_browser(self, host: str | None, *, secure: bool) -> ServerAddresses:
        """
        Return the addresses for a browser that has reached the web root.

        What the operator has set is never overruled by a request.

        :param host: the `Host` of its request.
        :param secure: whether the browser has used TLS.
        """
        match = _HOST.fullmatch(host) if host and len(host) <= _HOST_LETTERS else None
        if self.host is not None or match is None:
            return self.for_operator()
        scheme, name = "wss" if secure else "ws", match[1].strip("[]")
        relay_url = self.url or f"{scheme}://{host}{self.prefix.text}/v1"
        return ServerAddresses(relay_url, self._transit_helper(lambda: name))

    def _transit_helper(self, any_host: Callable[[], str]) -> str | None:
        """`any_host` names a port that listens on all addresses."""
        transit_helper = self.transit
        for bound in self.bound.get("transit", ()):
            # Clients use a relay over TCP or WebSocket, but not over TLS on TCP.
            if transit_helper is None and endpoint_kind(bound.endpoint) != "ssl":
                place = self._place(bound, any_host)
                transit_helper = None if place is None else f"tcp:{place}"
        return transit_helper

    def _place(self, bound: BoundEndpoint, any_host: Callable[[], str]) -> str | None:
        address = bound.address
        if not isinstance(address, (IPv4Address, IPv6Address)):
            return None
        host = self.host or (
            any_host() if ip_address(address.host).is_unspecified else address.host
        )
        return f"{bracketed(host)}:{address.port}"


def bracketed(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def local_host() -> str:
    """
    Return the address from which this machine reaches the internet; its name where it does not.

    Connecting a datagram socket sends nothing: it only makes the system choose a route.
    """
    # The default route leads to these addresses, which are reserved for documentation.
    for family, elsewhere in (
        (socket.AF_INET, "192.0.2.1"),
        (socket.AF_INET6, "2001:db8::1"),
    ):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    return socket.gethostname()
