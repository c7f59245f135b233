"""
Transit hints: where one end may be reached, JSON <-> frozen values. What the peer sends is checked
here; hints that we do not know, or that make no sense, are dropped. No I/O.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import attrs
import msgspec

LARGEST_PORT: Final = 65535
MOST_HINTS: Final = 50  # of one message of the peer; each is a connection that we would try


@attrs.frozen
class TcpHint:
    """An address to connect to. `onion`: only Tor can."""

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
    """A relay that is reached over WebSocket."""

    url: str
    priority: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {"type": "websocket-v1", "url": self.url, "priority": self.priority}

    def __str__(self) -> str:
        return self.url


@attrs.frozen
class RelayHint:
    """A relay, with all the ways to reach it."""

    hints: tuple[TcpHint | UrlHint, ...]

    def to_json(self) -> dict[str, Any]:
        return {"type": "relay-v1", "hints": [hint.to_json() for hint in self.hints]}


Hint = TcpHint | RelayHint
Way = TypeVar("Way", TcpHint, TcpHint | UrlHint)


class _Tcp(msgspec.Struct, frozen=True):
    hostname: str
    port: int
    priority: float = 0.0


class _Url(msgspec.Struct, frozen=True):
    url: str
    priority: float = 0.0


def parse_hints(said: object) -> tuple[Hint, ...]:
    """The hints among `said`, a list from the peer, that this client understands."""
    items = said[:MOST_HINTS] if isinstance(said, list) else []
    parsed: list[Hint] = []
    for item in items:
        if isinstance(item, dict) and item.get("type") == "relay-v1":
            ways = item.get("hints")
            known = tuple(_parse_ways(ways[:MOST_HINTS])) if isinstance(ways, list) else ()
            if known:
                parsed.append(RelayHint(known))
        else:
            parsed += [hint for hint in _parse_ways([item]) if isinstance(hint, TcpHint)]
    return tuple(parsed)


def _parse_ways(items: Iterable[object]) -> Iterable[TcpHint | UrlHint]:
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
    A relay as people write it: `tcp:HOST:PORT` or a `ws://` or `wss://` URL.

    :raises ValueError: neither; the text says what is expected.
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


def relay_ways(hints: Iterable[Hint]) -> list[TcpHint | UrlHint]:
    """Every way to every relay, each once, best priority first."""
    return _ordered(way for hint in hints if isinstance(hint, RelayHint) for way in hint.hints)


def direct_ways(hints: Iterable[Hint]) -> list[TcpHint]:
    """Every address of the peer itself, each once, best priority first."""
    return _ordered(hint for hint in hints if isinstance(hint, TcpHint))


def _ordered(ways: Iterable[Way]) -> list[Way]:
    unique: dict[str, Way] = {}
    for way in ways:
        unique.setdefault(str(way), way)
    return sorted(unique.values(), key=lambda way: -way.priority)
