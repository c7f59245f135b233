"""
The PROXY protocol, versions 1 and 2: bytes -> whom a connection comes from, or why not. No I/O.

Owns the parser. The rules are HAProxy's (doc/proxy-protocol.txt). What a header says beside the client's
address (where it connected to, and the type-length-values of version 2) is skipped.
"""

from __future__ import annotations

import enum
import ipaddress
import struct
from typing import Final

import attrs

from wormhole_server.proxies.places import Place, read_ip, read_port

_V1: Final = b"PROXY "
_V1_LONGEST: Final = 107  # with its CR LF; the longest that the rules allow
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = 16
# The rules allow 64 KiB. What proxies send beside addresses, a name or a certificate, fits many times over.
V2_LONGEST: Final = 16 * 1024

# The address families of version 2, and how long their addresses are.
_UNSPECIFIED, _INET, _INET6, _UNIX = range(4)
_ADDRESS_BYTES: Final = {_UNSPECIFIED: 0, _INET: 12, _INET6: 36, _UNIX: 216}
_LAST_TRANSPORT: Final = 2  # unspecified, stream, datagram
_LOCAL, _PROXY = range(2)


@attrs.frozen
class Header:
    """
    A header, whole.

    :ivar client: None where the proxy speaks for itself, or for somebody who is not on the internet.
    :ivar length: in bytes; what follows is the client's.
    """

    client: Place | None
    length: int


class Answer(enum.Enum):
    """What else a beginning can be."""

    NEED_MORE = "need-more"  # so far it may become a header
    NO_HEADER = "no-header"  # it is something else
    BROKEN = "broken"  # it says that it is a header, and is none


def read_header(data: bytes) -> Header | Answer:
    """What `data`, the beginning of a connection, is. It may grow and be asked about again."""
    if data.startswith(_V1):
        return _read_v1(data)
    if data.startswith(_V2):
        return _read_v2(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return Answer.NEED_MORE
    return Answer.NO_HEADER


def _read_v1(data: bytes) -> Header | Answer:
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        return Answer.NEED_MORE if len(data) < _V1_LONGEST else Answer.BROKEN
    words = data[len(_V1) : end].split(b" ")
    length = end + 2
    if words[0] == b"UNKNOWN":
        return Header(None, length)
    if len(words) != 5 or not data[:end].isascii():
        return Answer.BROKEN
    family, *rest = (word.decode("ascii") for word in words)
    kind = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}.get(family)
    if kind is None:
        return Answer.BROKEN
    try:
        source, _ = (kind(each) for each in rest[:2])
    except ValueError:
        return Answer.BROKEN
    port, to = map(read_port, rest[2:])
    ip = read_ip(str(source))
    if ip is None or port is None or to is None:
        return Answer.BROKEN
    return Header(Place(ip, port), length)


def _read_v2(data: bytes) -> Header | Answer:
    if len(data) > len(_V2) and (data[12] >> 4 != 2 or data[12] & 15 not in (_LOCAL, _PROXY)):
        return Answer.BROKEN
    if len(data) < _V2_FIXED:
        return Answer.NEED_MORE
    family, transport = data[13] >> 4, data[13] & 15
    size = int.from_bytes(data[14:16], "big")
    length = _V2_FIXED + size
    if length > V2_LONGEST:
        return Answer.BROKEN
    local = data[12] & 15 == _LOCAL
    # Of a proxy's own connection the rest means nothing.
    if not local and (
        family not in _ADDRESS_BYTES or transport > _LAST_TRANSPORT or size < _ADDRESS_BYTES[family]
    ):
        return Answer.BROKEN
    if len(data) < length:
        return Answer.NEED_MORE
    if local or not transport or family in (_UNSPECIFIED, _UNIX):
        return Header(None, length)
    address_bytes, ports_at = (4, 24) if family == _INET else (16, 48)
    ip = read_ip(str(ipaddress.ip_address(data[16 : 16 + address_bytes])))
    (port,) = struct.unpack_from("!H", data, ports_at)
    return Header(None if ip is None else Place(ip, port), length)
