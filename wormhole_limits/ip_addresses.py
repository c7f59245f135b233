"""
IP addresses of peers: parsed from a proxy's text or Twisted's addresses, and grouped for counting. No I/O.

An IPv4 address that is mapped into IPv6 becomes the IPv4 address; zones and brackets are removed.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

# Bytes. The longest valid text, an IPv6 address in brackets with a zone and a port, is shorter.
_MOST_BYTES = 100
# A household, or a machine in a data centre, is given a /64 and can use every address in it.
_IPV6_HOST_BITS = 64
# Each connection's address is asked for several times, mostly in short order.
_REMEMBERED = 1024


@attrs.frozen
class PeerAddress:
    """
    The IP address of a peer, and its port.

    :ivar port: 0 where it is not known.
    """

    ip: IP
    port: int = 0

    def as_address(self) -> IAddress:
        """Convert to Twisted's type."""
        if isinstance(self.ip, ipaddress.IPv4Address):
            return IPv4Address("TCP", str(self.ip), self.port)
        return IPv6Address("TCP", str(self.ip), self.port)


def peer_address(address: IAddress | None) -> PeerAddress | None:
    """
    Convert from Twisted's type.

    :return: None for an address that has no IP, such as that of a Unix socket.
    """
    if not isinstance(address, IPv4Address | IPv6Address):
        return None
    ip = parse_ip(address.host)
    return None if ip is None else PeerAddress(ip, address.port)


@lru_cache(_REMEMBERED)
def parse_ip(text: str) -> IP | None:
    """
    Parse an address without a port.

    :return: None if `text` is not an address.
    """
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def parse_peer_address(raw: bytes) -> PeerAddress | None:
    """
    Parse an address with or without a port, as proxies write it in `X-Forwarded-For`.

    :param raw: `192.0.2.7`, `192.0.2.7:1234`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:1234`.
    :return: None if it is none of these.
    """
    if len(raw) > _MOST_BYTES or not raw.isascii():
        return None
    text = raw.decode("ascii").strip(" \t")
    port = ""
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in text or (port and not port.startswith(":")):
            return None
        if port and not port[1:]:
            return None
        port = port[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not port:
            return None
    ip = parse_ip(text)
    if ip is None:
        return None
    if not port:
        return PeerAddress(ip)
    number = parse_port(port)
    return None if number is None else PeerAddress(ip, number)


def parse_port(text: str) -> int | None:
    """
    Parse a port number without leading zeros.

    :return: None if `text` is not one.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    number = int(text)
    return number if number <= 65535 and str(number) == text else None


def address_block(ip: IP) -> int:
    """
    Group the addresses that one client can use.

    :return: a number that is the same for all addresses of a group: one IPv4 address, or a /64 of IPv6.
    """
    if isinstance(ip, ipaddress.IPv4Address):
        return int(ip)
    # The bit above the 64 of a prefix keeps IPv6 apart from IPv4.
    return 1 << 64 | int(ip) >> _IPV6_HOST_BITS


def block_of(address: IAddress | None) -> int:
    """
    Group the addresses that one client can use; see `address_block`.

    :return: 0, which no peer has, for an address that has no IP, such as that of a Unix socket.
    """
    peer = peer_address(address)
    return 0 if peer is None else address_block(peer.ip)
