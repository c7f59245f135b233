"""
Where somebody is on the internet, as proxies write it and as the server counts it. No I/O.

Owns the one reading of an address: IPv4 ones that stand in IPv6 clothes, zones and brackets are gone.
"""

from __future__ import annotations

import ipaddress

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

# The longest address there is, in brackets, with a zone and a port, is shorter.
_LONGEST = 100
# What one household or one machine in a data centre is given: whoever has one address has all of these.
_IPV6_HOST_BITS = 64


@attrs.frozen
class Place:
    """
    An address on the internet.

    :ivar port: 0 where nobody has said.
    """

    ip: IP
    port: int = 0

    def as_address(self) -> IAddress:
        """As Twisted has it."""
        if isinstance(self.ip, ipaddress.IPv4Address):
            return IPv4Address("TCP", str(self.ip), self.port)
        return IPv6Address("TCP", str(self.ip), self.port)


def place_of(address: IAddress | None) -> Place | None:
    """Where a peer is; None where that is not on the internet."""
    if not isinstance(address, IPv4Address | IPv6Address):
        return None
    ip = read_ip(address.host)
    return None if ip is None else Place(ip, address.port)


def read_ip(text: str) -> IP | None:
    """An address alone; None where it is none."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def read_place(raw: bytes) -> Place | None:
    """`192.0.2.7`, `192.0.2.7:1234`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:1234`, or None."""
    if len(raw) > _LONGEST or not raw.isascii():
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
    ip = read_ip(text)
    if ip is None:
        return None
    if not port:
        return Place(ip)
    number = read_port(port)
    return None if number is None else Place(ip, number)


def read_port(text: str) -> int | None:
    """A port as people write it, without zeros in front; None where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    number = int(text)
    return number if number <= 65535 and str(number) == text else None


def neighbourhood(ip: IP) -> int:
    """The same number for all addresses that count as one: an IPv4 address, or the /64 of an IPv6 one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return int(ip)
    # Beyond all that IPv4 has.
    return 1 << 64 | int(ip) >> _IPV6_HOST_BITS
