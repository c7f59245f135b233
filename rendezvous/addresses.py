"""How a client's address is told to it in `your-address`. No I/O."""

from __future__ import annotations

import ipaddress

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress


def describe(peer: IAddress) -> dict[str, object] | None:
    """
    As the protocol has it: `ipv4` or `ipv6`, and `port`; None for what is no address on the internet.
    The port is 0 where it is not known, as it may be behind a proxy.

    A socket that listens on IPv6 alone sees IPv4 clients at mapped addresses; they know themselves by
    the IPv4 one.
    """
    if isinstance(peer, IPv4Address):
        return {"ipv4": peer.host, "port": peer.port}
    if isinstance(peer, IPv6Address):
        host = peer.host.partition("%")[0]
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
        if mapped is not None:
            return {"ipv4": str(mapped), "port": peer.port}
        return {"ipv6": host, "port": peer.port}
    return None
