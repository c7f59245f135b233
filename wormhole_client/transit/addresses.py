"""
The addresses of this machine, for direct hints.

Asks the kernel, never the network. On systems whose kernel cannot be asked this way, only the address
of the default route is known.
"""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SIOCGIFADDR: Final = 0x8915  # Linux: the IPv4 address of an interface
IPV6_TABLE: Final = Path("/proc/net/if_inet6")
UNUSED_ADDRESS: Final = ("192.0.2.1", 9)  # RFC 5737; connecting a UDP socket sends nothing


def local_addresses() -> list[str]:
    """List the addresses that others may reach this machine at; loopback only if there is no other."""
    found = dict.fromkeys([*_interfaces_v4(), *_table_v6(), *_default_route()])
    addresses = [ipaddress.ip_address(each) for each in found]
    usable = [each for each in addresses if not each.is_link_local and not each.is_unspecified]
    public = [str(each) for each in usable if not each.is_loopback]
    return public or [str(each) for each in usable] or ["127.0.0.1"]


def _interfaces_v4() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(udp.fileno(), SIOCGIFADDR, request)
            except OSError:  # an interface without IPv4
                continue
            yield socket.inet_ntoa(answer[20:24])


def _table_v6() -> Iterator[str]:
    try:
        lines = IPV6_TABLE.read_text("ascii").splitlines()
    except OSError:  # no IPv6, or not Linux
        return
    for line in lines:
        yield str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))


def _default_route() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.connect(UNUSED_ADDRESS)
        except OSError:  # no route
            return
        yield str(udp.getsockname()[0])
