"""
Which peers are believed when they say for whom they speak. No I/O.

Owns `--trusted-proxy`: how it is read, how it is written, and the answer.
"""

from __future__ import annotations

import enum
import ipaddress

import attrs
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from wormhole_server.proxies.places import IP, place_of
from wormhole_server.words import quoted

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class Local(enum.Enum):
    """Peers without an address on the internet."""

    UNIX = "unix"  # whoever may open the Unix socket that an endpoint listens on


# Addresses whose peers are proxies of the operator's own.
TrustedProxy = ipaddress.IPv4Network | ipaddress.IPv6Network | Local


def parse_trusted_proxy(raw: object) -> TrustedProxy:
    """
    `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32` or `unix`.

    :raises ValueError: it is none of these.
    """
    text = raw.strip().lower() if isinstance(raw, str) else ""
    if text == Local.UNIX.value:
        return Local.UNIX
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as error:
        raise ValueError(
            f"{quoted(raw)} is neither a network nor an address; write the addresses that your "
            "proxy connects from, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8, or unix for all who "
            "come over a Unix socket"
        ) from error
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(
            f"{quoted(raw)} is an address within a network; write {network} for all of it, or "
            f"{interface.ip} for this one"
        )
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        address = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((address, network.prefixlen - 96))
    return network


def show_trusted_proxy(proxy: TrustedProxy) -> str:
    """As an operator would write it."""
    return proxy.value if isinstance(proxy, Local) else str(proxy)


@attrs.frozen
class Trust:
    """
    Whom to believe.

    :ivar proxies: nobody, where there are none.
    """

    proxies: tuple[TrustedProxy, ...] = ()

    def in_peer(self, peer: IAddress | None) -> bool:
        """Whether `peer`, at the other end of a connection, is believed."""
        if not self.proxies:
            return False
        if isinstance(peer, UNIXAddress):
            return Local.UNIX in self.proxies
        place = place_of(peer)
        return place is not None and self.in_ip(place.ip)

    def in_ip(self, ip: IP) -> bool:
        """Whether `ip` is an address of a proxy."""
        return any(not isinstance(proxy, Local) and ip in proxy for proxy in self.proxies)
