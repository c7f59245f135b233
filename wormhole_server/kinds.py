"""
The kinds of value that an option can have: how each is read, and how it is written back.

Owns the reading of single values. Knows no option and no source; every fault is a `ValueError`
whose text says what is wrong and what to write.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Any

import attrs
from twisted.logger import LogLevel

from wormhole_server import database_url, durations, endpoints, websocket_options
from wormhole_server.descriptors import Automatic
from wormhole_server.proxies.trust import parse_trusted_proxy, show_trusted_proxy
from wormhole_server.words import nearest, quoted


@attrs.frozen
class Kind:
    """
    One kind of value.

    :ivar placeholder: what stands for the value in the help: `SECONDS`, `ENDPOINT`.
    :ivar parse: from what a flag, a variable or a TOML file gave; raises ValueError.
    :ivar show: what TOML would write for a value, secrets masked, as a string, a number or a truth.
    :ivar none: whether the word `none` stands for no value, or for not one of several.
    """

    placeholder: str
    parse: Callable[[object], Any]
    show: Callable[[Any], str | int | bool] = str
    none: bool = False


def _text(raw: object) -> str | None:
    """An empty text is the same as none at all."""
    if not isinstance(raw, str):
        raise ValueError(f"{quoted(raw)} is not a text; write it in quotes")
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in raw):
        raise ValueError("the text is not UTF-8; write it again in that encoding")
    return raw or None


def _path(raw: object) -> str:
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError(f"{quoted(raw)} is not the name of a file")
    return raw


def _whole(raw: object, least: int, most: int, what: str) -> int:
    text = str(raw).strip()
    if isinstance(raw, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{quoted(raw)} is not {what}; write a whole number from {least}")
    if not least <= int(text) <= most:
        raise ValueError(f"{quoted(raw)} is not between {least} and {most}, as {what} has to be")
    return int(text)


def _switch(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else None
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{quoted(raw)} is neither true nor false; write one of them")


def _log_level(raw: object) -> str:
    names = [constant.name for constant in LogLevel.iterconstants()]
    word = raw.strip().lower() if isinstance(raw, str) else ""
    if word not in names:
        guess = nearest(word, names)
        hint = f"did you mean {guess}?" if guess else f"write one of {', '.join(names)}"
        raise ValueError(f"{quoted(raw)} is not a log level; {hint}")
    return word


_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+")


def _host(raw: object) -> str:
    name = raw.removeprefix("[").removesuffix("]") if isinstance(raw, str) else ""
    if not _HOST.fullmatch(name):
        raise ValueError(
            f"{quoted(raw)} is not a host name; write a name or an IP address alone, "
            "without ws:// and without a port, such as wormhole.example.org"
        )
    return name


# No character that a shell knows: it is shown as a part of a command.
_PUBLIC_URL = re.compile(
    r"wss?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"/[A-Za-z0-9._~%/-]+"
)


def _public_url(raw: object) -> str:
    if not isinstance(raw, str) or not _PUBLIC_URL.fullmatch(raw):
        raise ValueError(
            f"{quoted(raw)} is not the URL of /v1; write it as clients are to be given it, "
            "such as wss://wormhole.example.org/v1"
        )
    return raw


def _public_transit(raw: object) -> str:
    scheme, _, place = raw.partition(":") if isinstance(raw, str) else ("", "", "")
    host, _, port = place.rpartition(":")
    named = _HOST.fullmatch(host.removeprefix("[").removesuffix("]"))
    bracketed = host.startswith("[") and host.endswith("]")
    whole = scheme == "tcp" and named and bracketed == (":" in host)
    if not whole or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(
            f"{quoted(raw)} is not the address of a relay; write it as clients are to be given "
            "it, such as tcp:relay.example.org:4001"
        )
    return str(raw)


_ORIGIN = re.compile(r"\*|null|[a-z*][a-z0-9+.*-]*://[^/\s?#]+")


def _origin(raw: object) -> str:
    if not isinstance(raw, str) or not _ORIGIN.fullmatch(raw):
        raise ValueError(
            f"{quoted(raw)} is not an origin; write *, or scheme://host:port without a path, "
            "such as https://wormhole.example.org or https://*.example.org"
        )
    return raw


def _duration(raw: object) -> durations.Seconds:
    seconds = durations.parse_duration(raw)
    if not seconds:
        raise ValueError(f"{quoted(raw)} is no time at all; write a longer one")
    return seconds


def _whole_duration(raw: object) -> durations.Seconds:
    seconds = _duration(raw)
    if not float(seconds).is_integer():
        raise ValueError(f"{quoted(raw)} is not a whole number of seconds; the system counts those")
    return seconds


def _size(raw: object) -> durations.Bytes:
    size = durations.parse_size(raw)
    if not size:
        raise ValueError(f"{quoted(raw)} would let nothing through; write a larger size")
    return size


def _connections(raw: object) -> int | Automatic:
    if isinstance(raw, str) and raw.strip().lower() == Automatic.AUTO.value:
        return Automatic.AUTO
    try:
        return _whole(raw, 1, 100_000_000, "a number of connections")
    except ValueError as error:
        raise ValueError(f"{error}; or write auto") from error


def _show_connections(value: int | Automatic) -> str | int:
    return value.value if isinstance(value, Automatic) else value


TEXT = Kind("TEXT", _text)
FILE = Kind("FILE", _path)
SWITCH = Kind("", _switch, bool)
DURATION = Kind("DURATION", _duration, durations.format_duration)
WHOLE_DURATION = Kind("DURATION", _whole_duration, durations.format_duration)
DURATION_OR_ZERO = Kind("DURATION", durations.parse_duration, durations.format_duration)
OPTIONAL_DURATION = attrs.evolve(DURATION, placeholder="DURATION|none", none=True)
SIZE = Kind("SIZE", _size, durations.format_size)
ENDPOINT = Kind("ENDPOINT|none", endpoints.parse_endpoint, none=True)
DATABASE = Kind("URL", database_url.parse_database_url, database_url.masked)
TRUSTED_PROXY = Kind("CIDR|unix|none", parse_trusted_proxy, show_trusted_proxy, none=True)
CONNECTIONS = Kind("NUMBER|auto|none", _connections, _show_connections, none=True)
HOST = Kind("HOST|none", _host, none=True)
PUBLIC_URL = Kind("URL|none", _public_url, none=True)
PUBLIC_TRANSIT = Kind("tcp:HOST:PORT|none", _public_transit, none=True)
ORIGIN = Kind("ORIGIN", _origin)
PROTOCOL_OPTION = Kind("OPTION=VALUE", websocket_options.parse_protocol_option)
LOG_LEVEL = Kind("LEVEL", _log_level)


def size(least: int) -> Kind:
    """A number of bytes, and at least so many."""

    def parse(raw: object) -> durations.Bytes:
        value = _size(raw)
        if value < least:
            shown = durations.format_size(durations.Bytes(least))
            raise ValueError(f"{quoted(raw)} is less than {shown}, the least that is of use")
        return value

    return attrs.evolve(SIZE, parse=parse)


def choice(what: str, values: type[enum.Enum]) -> Kind:
    """One of the members of `values`; `what` names them in a message: "a kind of link"."""
    words = [member.value for member in values]

    def parse(raw: object) -> enum.Enum:
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word not in words:
            raise ValueError(f"{quoted(raw)} is not {what}; write one of {', '.join(words)}")
        return values(word)

    return Kind("|".join(words), parse, lambda member: str(member.value))


def number(what: str, least: int, most: int, *, none: bool = False) -> Kind:
    """A whole number within bounds; `what` names it in a message: "a number of threads"."""
    placeholder = "NUMBER|none" if none else "NUMBER"
    return Kind(placeholder, lambda raw: _whole(raw, least, most, what), int, none)
