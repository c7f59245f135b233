"""
The welcome: what the first message to a client contains.

Owns the operator's part of it, and how a client's own address is described to it.
"""

from __future__ import annotations

import ipaddress

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress


@attrs.frozen
class Welcome:
    """
    What the operator has every client told; None leaves a key out.

    :ivar motd: a message that clients show.
    :ivar error: clients show it and quit.
    :ivar current_cli_version: the newest version of the client program.
    """

    motd: str | None
    error: str | None
    current_cli_version: str | None

    def values(self, peer: IAddress) -> dict[str, object]:
        """
        Return the keys of the message and their values, as docs/protocol.md names them.

        :param peer: the client's address, which becomes `your-address` if it is one of the internet.
        """
        values: dict[str, object] = {
            key: value for key, value in attrs.asdict(self).items() if value is not None
        }
        address = _describe(peer)
        if address is not None:
            values["your-address"] = address
        return values


def _describe(peer: IAddress) -> dict[str, object] | None:
    """
    Describe an address as the protocol does, by `ipv4` or `ipv6`, and `port`.

    The port is 0 if it is unknown, as it may be behind a proxy. A socket that listens on IPv6 sees IPv4
    clients at mapped addresses; they know themselves by the IPv4 one.
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
