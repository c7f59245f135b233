"""
Where clients reach this server: the two addresses that every command of theirs has to be given. Pure.

Owns how they follow from what the operator has set, from the ports that listen and, where neither tells,
from the name under which somebody has come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from wormhole_server.endpoints import Endpoint, endpoint_kind


@attrs.frozen
class Listener:
    """
    A port that listens.

    :ivar address: the real one, where the endpoint asked for any port that is free.
    """

    endpoint: Endpoint
    address: IAddress


@attrs.frozen
class Public:
    """
    What the operator has set.

    :ivar host: the name of this machine to clients, whose ports they are that listen.
    :ivar url: the whole URL of /v1, where a proxy stands in front.
    :ivar transit: the relay over TCP, as `tcp:HOST:PORT`.
    """

    host: str | None = None
    url: str | None = None
    transit: str | None = None


@attrs.frozen
class Reach:
    """
    What clients are to be given; None for what cannot be reached over the internet.

    :ivar relay_url: of the rendezvous server: `ws://HOST:PORT/v1`.
    :ivar transit_helper: the relay: `tcp:HOST:PORT`.
    """

    relay_url: str | None
    transit_helper: str | None


def reach(
    rendezvous: Sequence[Listener],
    transit: Sequence[Listener],
    public: Public,
    guess_host: Callable[[], str],
) -> Reach:
    """
    Where clients reach what listens.

    :param guess_host: where no public host is set and a port listens on all addresses, says which of
        them others can reach.
    """

    def place(listener: Listener) -> str | None:
        address = listener.address
        if not isinstance(address, (IPv4Address, IPv6Address)):
            return None
        host = public.host or (
            guess_host() if ip_address(address.host).is_unspecified else address.host
        )
        return f"{bracketed(host)}:{address.port}"

    relay_url = public.url
    for listener in rendezvous:
        if relay_url is None and (where := place(listener)):
            scheme = "wss" if endpoint_kind(listener.endpoint) == "ssl" else "ws"
            relay_url = f"{scheme}://{where}/v1"
    transit_helper = public.transit
    for listener in transit:
        # Clients speak TCP to a relay, or WebSocket, but not TCP with TLS.
        if transit_helper is None and endpoint_kind(listener.endpoint) != "ssl":
            where = place(listener)
            transit_helper = None if where is None else f"tcp:{where}"
    return Reach(relay_url, transit_helper)


def reach_of_visitor(
    host: str | None,
    *,
    secure: bool,
    transit: Sequence[Listener],
    public: Public,
    otherwise: Callable[[], Reach],
) -> Reach:
    """
    Where somebody reaches the server who has just reached its web root.

    :param host: how they call it: the `Host` of their request; None where that is of no use.
    :param secure: whether they came through TLS.
    :param otherwise: where nothing is known of the visitor, or the operator has said it all.
    """
    name = _host_alone(host)
    if public.host is not None or name is None:
        return otherwise()
    transit_helper = public.transit
    for listener in transit:
        address = listener.address
        if transit_helper is not None or endpoint_kind(listener.endpoint) == "ssl":
            continue
        if isinstance(address, (IPv4Address, IPv6Address)):
            where = name if ip_address(address.host).is_unspecified else bracketed(address.host)
            transit_helper = f"tcp:{where}:{address.port}"
    scheme = "wss" if secure else "ws"
    return Reach(public.url or f"{scheme}://{host}/v1", transit_helper)


# What a browser sends, and nothing that a shell or a page would take for more than a name.
_HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# As long as a name can be.
_HOST_LETTERS = 253 + len(":65535")


def _host_alone(host: str | None) -> str | None:
    """A host without its port; None where it is none."""
    found = _HOST.fullmatch(host) if host is not None and len(host) <= _HOST_LETTERS else None
    return None if found is None else found[1]


def bracketed(host: str) -> str:
    """As a host stands before a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
