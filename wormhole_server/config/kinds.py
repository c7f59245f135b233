"""
The kinds of value that an option can have: how each is parsed, and how it is written back.

Owns the parsing of single values. Knows neither options nor sources. An invalid value is a `ValueError`
whose text says what is wrong and what to write.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from wormhole_server.config import database_url, durations, endpoints, websocket_options
from wormhole_server.config.quoting import nearest, quoted
from wormhole_server.config.trusted_proxies import parse_trusted_proxy, show_trusted_proxy


class Automatic(enum.Enum):
    """A number that the server determines itself."""

    AUTO = "auto"


@attrs.frozen
class ValueKind:
    """
    A kind of value.

    :ivar placeholder: stands for the value in the help: `DURATION`, `ENDPOINT`.
    :ivar parse: converts what a flag, a variable or a TOML file contains; raises ValueError.
    :ivar show: converts a value to what TOML contains: a string, a number or a boolean; masks secrets.
    :ivar none: whether the word `none` is accepted, for no value or for an empty tuple.
    """

    placeholder: str
    parse: Callable[[object], Any]
    show: Callable[[Any], str | int | bool] = str
    none: bool = False


def _text(raw: object) -> str | None:
    """Parse a text; an empty one is no value."""
    if not isinstance(raw, str):
        raise ValueError(f"{quoted(raw)} is not a string; write it in quotes")
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in raw):
        raise ValueError("the text is not valid UTF-8; write it in UTF-8")
    return raw or None


def _name(raw: object) -> str:
    name = _text(raw)
    if name is None or not name.strip():
        raise ValueError(f"{quoted(raw)} is not a name; write one")
    return name


def _path(raw: object) -> str:
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError(f"{quoted(raw)} is not a file name; write a path")
    return raw


def _socket_path(raw: object) -> str:
    path = _path(raw)
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise ValueError(
            f"{quoted(path)} is longer than the {_LONGEST_SOCKET_PATH} bytes that the path of a Unix socket "
            "may have; write a shorter one"
        )
    return path


def _whole(raw: object, least: int, most: int, what: str) -> int:
    text = str(raw).strip()
    if isinstance(raw, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{quoted(raw)} is not {what}; write a whole number from {least}")
    if not least <= int(text) <= most:
        raise ValueError(f"{quoted(raw)} is not {what} between {least} and {most}")
    return int(text)


def _switch(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else None
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{quoted(raw)} is neither true nor false; write true or false")


_LONGEST_SOCKET_PATH = 107  # bytes; of Linux (unix(7))
_LONGEST_KEEPALIVE = 32_767  # seconds; of Linux (MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL)
# Those of Twisted's `LogLevel`, which is slow to import.
_LOG_LEVELS = ("debug", "info", "warn", "error", "critical")


def _log_level(raw: object) -> str:
    word = raw.strip().lower() if isinstance(raw, str) else ""
    if word not in _LOG_LEVELS:
        guess = nearest(word, _LOG_LEVELS)
        hint = f"did you mean {guess}?" if guess else f"write one of {', '.join(_LOG_LEVELS)}"
        raise ValueError(f"{quoted(raw)} is not a log level; {hint}")
    return word


_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+")


def _host(raw: object) -> str:
    name = raw.removeprefix("[").removesuffix("]") if isinstance(raw, str) else ""
    if not _HOST.fullmatch(name):
        raise ValueError(
            f"{quoted(raw)} is not a host name; write a name or an IP address without "
            "ws:// and without a port, such as wormhole.example.org"
        )
    return name


# Without characters that a shell interprets: the pages show the URL as part of a command.
_PUBLIC_URL = re.compile(
    r"wss?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"/[A-Za-z0-9._~%/-]+"
)


def _public_url(raw: object) -> str:
    if not isinstance(raw, str) or not _PUBLIC_URL.fullmatch(raw):
        raise ValueError(
            f"{quoted(raw)} is not the URL of /v1; write the URL that clients use, such as "
            "wss://wormhole.example.org/v1"
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
            f"{quoted(raw)} is not the address of a relay; write the address that clients use, "
            "such as tcp:relay.example.org:4001"
        )
    return str(raw)


_CONTACT = re.compile(r"[^\s@:/?#&]+@[A-Za-z0-9.-]+|https?://[^\s]+")


def _contact(raw: object) -> str:
    if not isinstance(raw, str) or not _CONTACT.fullmatch(raw):
        raise ValueError(
            f"{quoted(raw)} is neither a mail address nor a URL; write one, such as "
            "admin@example.org or https://example.org/contact"
        )
    return raw


# Segments that no client, proxy or shell writes in another way.
_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


def _path_prefix(raw: object) -> str:
    if not isinstance(raw, str) or not _PATH_PREFIX.fullmatch(raw):
        raise ValueError(
            "the value is not a path; write a slash, and letters and digits that nobody can guess, "
            "such as those of `openssl rand -hex 16`"
        )
    return raw


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
        raise ValueError(f"{quoted(raw)} is too short; write a duration above 0")
    return seconds


def _keepalive(raw: object) -> durations.Seconds:
    seconds = _duration(raw)
    if not float(seconds).is_integer():
        raise ValueError(f"{quoted(raw)} is not a whole number of seconds; write one, such as 30s")
    if seconds > _LONGEST_KEEPALIVE:
        raise ValueError(
            f"{quoted(raw)} is longer than the {_LONGEST_KEEPALIVE} seconds that the kernel accepts; "
            "write a shorter duration"
        )
    return seconds


def _size(raw: object, largest: durations.Bytes = durations.LARGEST_SIZE) -> durations.Bytes:
    size = durations.parse_size(raw, largest)
    if not size:
        raise ValueError(f"{quoted(raw)} is too small; write a size above 0")
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


def _disk_reserve(raw: object) -> durations.Bytes | Automatic:
    if isinstance(raw, str) and raw.strip().lower() == Automatic.AUTO.value:
        return Automatic.AUTO
    try:
        return _size(raw)
    except ValueError as error:
        raise ValueError(f"{error}; or write auto") from error


def _show_disk_reserve(value: durations.Bytes | Automatic) -> str:
    return value.value if isinstance(value, Automatic) else durations.format_size(value)


TEXT = ValueKind("TEXT", _text)
NAME = ValueKind("TEXT", _name)
FILE = ValueKind("FILE", _path)
OPTIONAL_FILE = ValueKind("FILE|none", _path, none=True)
OPTIONAL_SOCKET = ValueKind("SOCKET|none", _socket_path, none=True)
SWITCH = ValueKind("", _switch, bool)
DURATION = ValueKind("DURATION", _duration, durations.format_duration)
KEEPALIVE = ValueKind("DURATION", _keepalive, durations.format_duration)
DURATION_OR_ZERO = ValueKind("DURATION", durations.parse_duration, durations.format_duration)
OPTIONAL_DURATION = attrs.evolve(DURATION, placeholder="DURATION|none", none=True)
SIZE = ValueKind("SIZE", _size, durations.format_size)
OPTIONAL_SIZE = attrs.evolve(SIZE, placeholder="SIZE|none", none=True)
OPTIONAL_TRAFFIC = attrs.evolve(
    OPTIONAL_SIZE, parse=partial(_size, largest=durations.LARGEST_TRAFFIC)
)
ENDPOINT = ValueKind("ENDPOINT|none", endpoints.parse_endpoint, none=True)
DATABASE = ValueKind("URL", database_url.parse_database_url, database_url.show_database_url)
TRUSTED_PROXY = ValueKind("CIDR|unix|none", parse_trusted_proxy, show_trusted_proxy, none=True)
DISK_RESERVE = ValueKind("SIZE|auto|none", _disk_reserve, _show_disk_reserve, none=True)
CONNECTIONS = ValueKind("NUMBER|auto|none", _connections, _show_connections, none=True)
HOST = ValueKind("HOST|none", _host, none=True)
PUBLIC_URL = ValueKind("URL|none", _public_url, none=True)
PUBLIC_TRANSIT = ValueKind("tcp:HOST:PORT|none", _public_transit, none=True)
CONTACT = ValueKind("ADDRESS|none", _contact, none=True)
PATH_PREFIX = ValueKind("PATH|none", _path_prefix, lambda _: "/***", none=True)
ORIGIN = ValueKind("ORIGIN", _origin)
PROTOCOL_OPTION = ValueKind("OPTION=VALUE", websocket_options.parse_protocol_option)
LOG_LEVEL = ValueKind("|".join(_LOG_LEVELS), _log_level)


def size(least: int) -> ValueKind:
    """Make a kind for sizes of at least `least` bytes."""

    def parse(raw: object) -> durations.Bytes:
        value = _size(raw)
        if value < least:
            shown = durations.format_size(durations.Bytes(least))
            raise ValueError(f"{quoted(raw)} is too small; write at least {shown}")
        return value

    return attrs.evolve(SIZE, parse=parse)


def choice(what: str, values: type[enum.Enum]) -> ValueKind:
    """
    Make a kind for the members of an enum.

    :param what: names a member in an error message: "a kind of link".
    """
    words = [member.value for member in values]

    def parse(raw: object) -> enum.Enum:
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word not in words:
            raise ValueError(f"{quoted(raw)} is not {what}; write one of {', '.join(words)}")
        return values(word)

    return ValueKind("|".join(words), parse, lambda member: str(member.value))


def number(what: str, least: int, most: int, *, none: bool = False) -> ValueKind:
    """
    Make a kind for whole numbers from `least` to `most`.

    :param what: names the number in an error message: "a number of threads".
    :param none: whether `none` is accepted.
    """
    placeholder = "NUMBER|none" if none else "NUMBER"
    return ValueKind(placeholder, lambda raw: _whole(raw, least, most, what), int, none)
