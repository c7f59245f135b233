"""
The trusted proxies: peers whose statement of their client's address is believed. No I/O.

Owns how `--trusted-proxy` is parsed and shown; `listening/proxies/trusted_peers.py` applies it.
"""

from __future__ import annotations

import enum
import ipaddress

from wormhole_server.config.quoting import quoted

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class LocalPeer(enum.Enum):
    """Peers without an IP address."""

    UNIX = "unix"  # every process that can open the Unix socket of an endpoint


# The addresses that a proxy of the operator connects from.
TrustedProxy = ipaddress.IPv4Network | ipaddress.IPv6Network | LocalPeer


def parse_trusted_proxy(raw: object) -> TrustedProxy:
    """
    Parse one value of `--trusted-proxy`.

    :param raw: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32` or `unix`.
    :return: the network; one that is mapped into IPv6 as the IPv4 network.
    :raises ValueError: it is none of these.
    """
    text = raw.strip().lower() if isinstance(raw, str) else ""
    if text == LocalPeer.UNIX.value:
        return LocalPeer.UNIX
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as error:
        raise ValueError(
            f"{quoted(raw)} is neither a network nor an address; write the addresses that your "
            "proxy connects from, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8, or unix for "
            "every client of a Unix socket"
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
    """Write `proxy` so that `parse_trusted_proxy` reads it back."""
    return proxy.value if isinstance(proxy, LocalPeer) else str(proxy)
