"""
The trusted peers: whether the other end of a connection is a trusted proxy. No I/O.
"""

from __future__ import annotations

import attrs
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from wormhole_limits.ip_addresses import IP, peer_address
from wormhole_server.config.trusted_proxies import LocalPeer, TrustedProxy


@attrs.frozen
class TrustedProxies:
    """
    All trusted proxies.

    :ivar proxies: empty to trust no peer.
    """

    proxies: tuple[TrustedProxy, ...]

    def trusts_peer(self, peer: IAddress | None) -> bool:
        """Tell whether the peer of a connection is a trusted proxy."""
        if not self.proxies:
            return False
        if isinstance(peer, UNIXAddress):
            return LocalPeer.UNIX in self.proxies
        address = peer_address(peer)
        return address is not None and self.trusts_ip(address.ip)

    def trusts_ip(self, ip: IP) -> bool:
        """Tell whether a trusted proxy may connect from `ip`."""
        return any(not isinstance(proxy, LocalPeer) and ip in proxy for proxy in self.proxies)
