"""
The deny list: networks whose clients are refused, each with a message for them. No I/O.

Owns the form of its lines, and the lookup, which takes one access to a dictionary for each length of prefix
that the list has.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from wormhole_limits.ip_addresses import IP

DEFAULT_MESSAGE: Final = "Your address is on the deny list of this server."
# A sentence or two, which clients show on a terminal; the Go client reads at most 32 KiB of a welcome.
MAX_MESSAGE_LETTERS: Final = 500

_IPV4: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:/(\d{1,2}))?", re.ASCII)
_BITS: Final = {4: 32, 6: 128}


class DenyListError(ValueError):
    """A line of a deny list is not valid. The text says which, and does not repeat the address."""


# A network: the version of IP, the length of its prefix, and the bits of that. A class would double the
# time for a long list.
_Prefix = tuple[int, int, int]


class DenyList:
    """
    Networks and their messages.

    :param messages: for clients from each network.
    :ivar count: how many networks there are.
    """

    def __init__(self, messages: Mapping[_Prefix, str]) -> None:
        self.count = len(messages)
        by_length: dict[int, dict[int, dict[int, str]]] = {version: {} for version in _BITS}
        for (version, length, bits), message in messages.items():
            by_length[version].setdefault(length, {})[bits] = message
        # The longest prefix first: its message is the most exact one.
        self._lookups = {
            version: [
                (_BITS[version] - length, by_bits)
                for length, by_bits in sorted(lengths.items(), reverse=True)
            ]
            for version, lengths in by_length.items()
        }

    def find(self, ip: IP) -> str | None:
        """Return the message for an address, that of the smallest network; None: it is not on the list."""
        number = int(ip)
        for host_bits, by_bits in self._lookups[ip.version]:
            message = by_bits.get(number >> host_bits)
            if message is not None:
                return message
        return None


EMPTY: Final = DenyList({})


def parse_deny_list(data: bytes) -> DenyList:
    """
    Parse the content of a deny list.

    A line is empty, or holds an address or a network as `ADDRESS/LENGTH`, and may go on with a space and a
    message. A `#` at its beginning or after a space begins a comment.

    :param data: UTF-8.
    :raises DenyListError: for the first line that is anything else.
    """
    messages: dict[_Prefix, str] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            text = f" {line.decode()}".replace("\t", " ").partition(" #")[0]
            network, _, message = text.strip().partition(" ")
            if network:
                messages[_parse_network(network)] = _check_message(message.strip())
        except UnicodeDecodeError:
            raise DenyListError(f"line {number}: is not UTF-8") from None
        except ValueError as error:
            raise DenyListError(f"line {number}: {error}") from None
    return DenyList(messages)


def _parse_network(text: str) -> _Prefix:
    # Nearly all lines of a long list are of this form, which `ipaddress` takes five times as long for.
    match = _IPV4.fullmatch(text)
    if match is not None:
        first, second, third, fourth = map(int, match.groups()[:4])
        length = 32 if match[5] is None else int(match[5])
        number = first << 24 | second << 16 | third << 8 | fourth
        plain = max(first, second, third, fourth) <= 255 and length <= 32
        if plain and f"{first}.{second}.{third}.{fourth}" == text.partition("/")[0]:
            return _check_host_bits(4, length, number)
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(
            "begins with neither an address nor a network; write one such as 192.0.2.0/24 or "
            "2001:db8::/32, and the message behind a space"
        ) from None
    if "%" in text or (text.count("/") and not text.partition("/")[2].isdigit()):
        raise ValueError(
            "a network has a length, and no mask and no zone; write it as 192.0.2.0/24"
        )
    if isinstance(interface, ipaddress.IPv6Interface) and interface.ip.ipv4_mapped is not None:
        raise ValueError("is an IPv4 address in the form of IPv6; write it as IPv4")
    return _check_host_bits(interface.version, interface.network.prefixlen, int(interface.ip))


def _check_host_bits(version: int, length: int, number: int) -> _Prefix:
    host_bits = _BITS[version] - length
    bits = number >> host_bits
    if bits << host_bits != number:
        raise ValueError(
            f"the address has bits beyond the /{length}; write the first address of the network"
        )
    return version, length, bits


def _check_message(message: str) -> str:
    if len(message) > MAX_MESSAGE_LETTERS:
        raise ValueError(f"the message is too long; write at most {MAX_MESSAGE_LETTERS} letters")
    if not message.isprintable():
        raise ValueError("the message has a control character; write plain text")
    return message or DEFAULT_MESSAGE
