"""
Transit hints: where one end may be reached, JSON <-> frozen values.

Owns the checking of what the peer sends: hints of unknown types, or with values that make no sense,
are dropped. No I/O.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import attrs
import msgspec

LARGEST_PORT: Final = 65535
MOST_HINTS: Final = 50  # of one message of the peer; each is a connection attempt


@attrs.frozen
class TcpHint:
    """
    A TCP address.

    :ivar priority: higher is tried earlier.
    :ivar onion: only Tor can connect to it.
    """

    hostname: str
    port: int
    priority: float = 0.0
    onion: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "tor-tcp-v1" if self.onion else "direct-tcp-v1",
            "hostname": self.hostname,
            "port": self.port,
            "priority": self.priority,
        }

    def __str__(self) -> str:
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return f"tcp:{host}:{self.port}"


@attrs.frozen
class UrlHint:
    """The WebSocket URL of a relay."""

    url: str
    priority: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {"type": "websocket-v1", "url": self.url, "priority": self.priority}

    def __str__(self) -> str:
        return self.url


AddressHint = TcpHint | UrlHint


@attrs.frozen
class RelayHint:
    """A relay, with all its addresses."""

    hints: tuple[AddressHint, ...]

    def to_json(self) -> dict[str, Any]:
        return {"type": "relay-v1", "hints": [hint.to_json() for hint in self.hints]}


Hint = TcpHint | RelayHint
H = TypeVar("H", TcpHint, AddressHint)


class _Tcp(msgspec.Struct, frozen=True):
    hostname: str
    port: int
    priority: float = 0.0


class _Url(msgspec.Struct, frozen=True):
    url: str
    priority: float = 0.0


def parse_hints(hints: object) -> tuple[Hint, ...]:
    """
    Parse the hints of the peer.

    :param hints: what the peer sent; anything but a list has no hints.
    :return: those that this client understands.
    """
    items = hints[:MOST_HINTS] if isinstance(hints, list) else []
    parsed: list[Hint] = []
    for item in items:
        if isinstance(item, dict) and item.get("type") == "relay-v1":
            inner = item.get("hints")
            known = tuple(_parse_addresses(inner[:MOST_HINTS])) if isinstance(inner, list) else ()
            if known:
                parsed.append(RelayHint(known))
        else:
            parsed += [hint for hint in _parse_addresses([item]) if isinstance(hint, TcpHint)]
    return tuple(parsed)


def _parse_addresses(items: Iterable[object]) -> Iterable[AddressHint]:
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        try:
            if kind == "direct-tcp-v1" or kind == "tor-tcp-v1":  # noqa: PLR1714 - may be unhashable
                tcp = msgspec.convert(item, _Tcp)
                if tcp.hostname and 0 < tcp.port <= LARGEST_PORT:
                    yield TcpHint(tcp.hostname, tcp.port, tcp.priority, kind == "tor-tcp-v1")
            elif kind == "websocket-v1":
                web = msgspec.convert(item, _Url)
                if web.url.startswith(("ws://", "wss://")):
                    yield UrlHint(web.url, web.priority)
        except msgspec.ValidationError:
            continue


def parse_helper(text: str) -> RelayHint:
    """
    Parse a relay as it is written on the command line.

    :param text: `tcp:HOST:PORT`, or a `ws://` or `wss://` URL.
    :raises ValueError: it is neither.
    """
    if text.startswith(("ws://", "wss://")):
        return RelayHint((UrlHint(text),))
    kind, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    host = host.replace("\\:", ":").removeprefix("[").removesuffix("]")
    if kind == "tcp" and host and port.isascii() and port.isdigit():
        number = int(port[:6])
        if 0 < number <= LARGEST_PORT:
            return RelayHint((TcpHint(host, number),))
    raise ValueError(f"{text!r} is not a transit relay: give tcp:HOST:PORT or ws://HOST:PORT/PATH")


def relay_addresses(hints: Iterable[Hint]) -> list[AddressHint]:
    """List the addresses of all relays, each once, highest priority first."""
    return _ordered(each for hint in hints if isinstance(hint, RelayHint) for each in hint.hints)


def direct_addresses(hints: Iterable[Hint]) -> list[TcpHint]:
    """List the addresses of the peer itself, each once, highest priority first."""
    return _ordered(hint for hint in hints if isinstance(hint, TcpHint))


def _ordered(hints: Iterable[H]) -> list[H]:
    unique: dict[str, H] = {}
    for hint in hints:
        unique.setdefault(str(hint), hint)
    return sorted(unique.values(), key=lambda hint: -hint.priority)
