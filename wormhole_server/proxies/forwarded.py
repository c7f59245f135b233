"""
Whom an HTTP request comes from, by the headers that proxies add. No I/O.

Owns the rule. X-Forwarded-For is read from the right, where the proxy nearest to us has written; each
address is believed only as long as it was written by one that is trusted, so that what a client writes
itself is never reached. X-Real-IP counts where there is no X-Forwarded-For at all. `Forwarded` (RFC 7239)
is not read: no common proxy writes it unasked, and one that does not write it hands on what the client
wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from twisted.internet.interfaces import IAddress

from wormhole_server.proxies.places import Place, place_of, read_place
from wormhole_server.proxies.trust import Trust

_FORWARDED_FOR: Final = b"x-forwarded-for"
_REAL_IP: Final = b"x-real-ip"

# Nobody has so many proxies of their own one behind the other; the rest of a long header is not looked at.
_MOST_HOPS: Final = 32

# The values of a header, one for each of its lines, in their order. Its name is in lower case.
Headers = Callable[[bytes], Sequence[bytes]]


def client_of(peer: IAddress, headers: Headers, trust: Trust) -> IAddress:
    """
    Who is behind `peer`, as far as that can be believed; `peer` itself, where nobody is or it cannot.

    What cannot be read ends the way back; the last address that could be read counts.
    """
    if not trust.in_peer(peer):
        return peer
    found = None
    lines = headers(_FORWARDED_FOR)
    if lines:
        for place in _way_back(lines):
            found = place
            if not trust.in_ip(place.ip):
                break
    else:
        real = headers(_REAL_IP)
        found = read_place(real[-1]) if real else None
    # One that speaks for itself, as a health check does: with the port that we know.
    return peer if found is None or found == place_of(peer) else found.as_address()


def _way_back(lines: Sequence[bytes]) -> Iterator[Place]:
    """What proxies have written, from the nearest on, up to the first that is no address."""
    hops = 0
    for line in reversed(lines):
        for entry in reversed(line.rsplit(b",", _MOST_HOPS)):
            hops += 1
            place = read_place(entry)
            if place is None or hops > _MOST_HOPS:
                return
            yield place


def headers_in(head: bytes) -> Headers:
    """The headers of a request whose head is `head`, which has no folded lines."""

    def values(name: bytes) -> list[bytes]:
        found = []
        for line in head.split(b"\r\n")[1:]:
            before, colon, after = line.partition(b":")
            if colon and before.lower() == name:
                found.append(after.strip(b" \t"))
        return found

    return values
