"""
The headers that proxies add to HTTP requests, and the client address that follows from them. No I/O.

Owns the rule. X-Forwarded-For is read from the right, where the nearest proxy wrote; an address is believed
only if a trusted proxy wrote it, so that what a client writes itself is never reached. X-Real-IP counts
where there is no X-Forwarded-For. `Forwarded` (RFC 7239) is not read: no common proxy writes it by default,
and a proxy that does not write it passes on what the client wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from twisted.internet.interfaces import IAddress

from wormhole_limits.ip_addresses import PeerAddress, parse_peer_address, peer_address
from wormhole_server.listening.proxies.trusted_peers import TrustedProxies

_FORWARDED_FOR: Final = b"x-forwarded-for"
_REAL_IP: Final = b"x-real-ip"

# More than any chain of proxies; the rest of a long header is not read.
_MAX_HOPS: Final = 32

# From the name of a header, in lower case, to its values, one for each line, in order.
HeaderValues = Callable[[bytes], Sequence[bytes]]


def client_address(peer: IAddress, headers: HeaderValues, proxies: TrustedProxies) -> IAddress:
    """
    Find the client that a request comes from.

    An entry that is no address ends the search; the last address before it counts.

    :param peer: the other end of the connection.
    :return: `peer` itself where it is not trusted, or names no other address.
    """
    if not proxies.trusts_peer(peer):
        return peer
    found = None
    lines = headers(_FORWARDED_FOR)
    if lines:
        for found in _nearest_first(lines):
            if not proxies.trusts_ip(found.ip):
                break
    else:
        real = headers(_REAL_IP)
        found = parse_peer_address(real[-1]) if real else None
    # A proxy that names itself, as in a health check: `peer` has its port as well.
    return peer if found is None or found == peer_address(peer) else found.as_address()


def _nearest_first(lines: Sequence[bytes]) -> Iterator[PeerAddress]:
    """The addresses that proxies wrote, up to the first entry that is none."""
    hops = 0
    for line in reversed(lines):
        for entry in reversed(line.rsplit(b",", _MAX_HOPS)):
            hops += 1
            address = parse_peer_address(entry)
            if address is None or hops > _MAX_HOPS:
                return
            yield address


def parse_headers(head: bytes) -> HeaderValues:
    """
    Read the headers of a request.

    :param head: the request up to its empty line, without folded lines.
    """

    def values(name: bytes) -> list[bytes]:
        found = []
        for line in head.split(b"\r\n")[1:]:
            before, colon, after = line.partition(b":")
            if colon and before.lower() == name:
                found.append(after.strip(b" \t"))
        return found

    return values
