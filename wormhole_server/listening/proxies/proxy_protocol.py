"""
The PROXY protocol, versions 1 and 2: from the first bytes of a connection to its client's address. No I/O.

Owns the parser. The rules are HAProxy's (doc/proxy-protocol.txt). Everything but the client's address (the
address that it connected to, the type-length-values of version 2) is skipped.
"""

from __future__ import annotations

import enum
import ipaddress
import struct
from typing import Final

import attrs

from wormhole_limits.ip_addresses import PeerAddress, parse_ip, parse_port

_V1: Final = b"PROXY "
_V1_MAX_BYTES: Final = 107  # with its CR LF, by the rules
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = 16
# The rules allow 64 KiB. What proxies send beside addresses, such as a host name, is far shorter.
V2_MAX_BYTES: Final = 16 * 1024

# The address families of version 2, and the length of their addresses.
_UNSPECIFIED, _INET, _INET6, _UNIX = range(4)
_ADDRESS_BYTES: Final = {_UNSPECIFIED: 0, _INET: 12, _INET6: 36, _UNIX: 216}
_LAST_TRANSPORT: Final = 2  # unspecified, stream, datagram
_LOCAL, _PROXY = range(2)


@attrs.frozen
class ProxyHeader:
    """
    A complete header.

    :ivar client: None where the connection is the proxy's own, or its client has no IP address.
    :ivar length: in bytes; the client's bytes follow.
    """

    client: PeerAddress | None
    length: int


class HeaderStatus(enum.Enum):
    """What the first bytes of a connection are where they are not a complete header."""

    NEED_MORE = "need-more"  # they may become a header
    NO_HEADER = "no-header"  # they are something else
    INVALID = "invalid"  # they begin like a header, and break the rules


def read_proxy_header(data: bytes) -> ProxyHeader | HeaderStatus:
    """
    Read the first bytes of a connection.

    :param data: all bytes so far; call it again with more after `NEED_MORE`.
    """
    if data.startswith(_V1):
        return _read_v1(data)
    if data.startswith(_V2):
        return _read_v2(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return HeaderStatus.NEED_MORE
    return HeaderStatus.NO_HEADER


def _read_v1(data: bytes) -> ProxyHeader | HeaderStatus:
    end = data.find(b"\r\n", 0, _V1_MAX_BYTES)
    if end < 0:
        return HeaderStatus.NEED_MORE if len(data) < _V1_MAX_BYTES else HeaderStatus.INVALID
    words = data[len(_V1) : end].split(b" ")
    length = end + 2
    if words[0] == b"UNKNOWN":
        return ProxyHeader(None, length)
    if len(words) != 5 or not data[:end].isascii():
        return HeaderStatus.INVALID
    family, *rest = (word.decode("ascii") for word in words)
    kind = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}.get(family)
    if kind is None:
        return HeaderStatus.INVALID
    try:
        source, _ = (kind(each) for each in rest[:2])
    except ValueError:
        return HeaderStatus.INVALID
    port, to = map(parse_port, rest[2:])
    ip = parse_ip(str(source))
    if ip is None or port is None or to is None:
        return HeaderStatus.INVALID
    return ProxyHeader(PeerAddress(ip, port), length)


def _read_v2(data: bytes) -> ProxyHeader | HeaderStatus:
    if len(data) > len(_V2) and (data[12] >> 4 != 2 or data[12] & 15 not in (_LOCAL, _PROXY)):
        return HeaderStatus.INVALID
    if len(data) < _V2_FIXED:
        return HeaderStatus.NEED_MORE
    family, transport = data[13] >> 4, data[13] & 15
    size = int.from_bytes(data[14:16], "big")
    length = _V2_FIXED + size
    if length > V2_MAX_BYTES:
        return HeaderStatus.INVALID
    local = data[12] & 15 == _LOCAL
    # For a proxy's own connection the rules say to ignore the rest.
    if not local and (
        family not in _ADDRESS_BYTES or transport > _LAST_TRANSPORT or size < _ADDRESS_BYTES[family]
    ):
        return HeaderStatus.INVALID
    if len(data) < length:
        return HeaderStatus.NEED_MORE
    if local or not transport or family in (_UNSPECIFIED, _UNIX):
        return ProxyHeader(None, length)
    address_bytes, ports_at = (4, 24) if family == _INET else (16, 48)
    ip = parse_ip(str(ipaddress.ip_address(data[16 : 16 + address_bytes])))
    (port,) = struct.unpack_from("!H", data, ports_at)
    return ProxyHeader(None if ip is None else PeerAddress(ip, port), length)
