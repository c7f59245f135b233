"""
The replies of /v1: values into the JSON text that a client reads. No I/O.

Owns the form and the greatest length of every message that the server sends. The time of sending is a
parameter.
"""

from __future__ import annotations

import attrs
import msgspec
from msgspec import Raw

# The Go client reads at most 32 KiB in one message. Others read more, and the newest nameplates come first.
MAX_SHORT_LIST_BYTES = 30 * 1024
MAX_LIST_BYTES = 128 * 1024
MAX_ORIG_BYTES = 4 * 1024
# Per key, of a message that is too long to be repeated whole.
_ORIG_VALUE_BYTES = 200
_ORIG_KEYS = 12

_NULL = Raw(b"null")

_decode_keys = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode


@attrs.frozen
class StoredMessage:
    """
    A message in a mailbox.

    :ivar number: its place in the mailbox, from 1, without gaps.
    :ivar message_id: the JSON of the `id` that the client gave it.
    :ivar received: when the server took it, seconds since the epoch.
    :ivar arrived: the same by the steady clock of the process that took it; None where it was read from the
        database.
    """

    number: int
    side: str
    phase: str
    body: str
    message_id: str
    received: float
    arrived: float | None = attrs.field(default=None, eq=False)


def welcome(values: dict[str, object], now: float) -> bytes:
    """Encode the first message to a client; docs/protocol.md names the `values`."""
    return _encode({"type": "welcome", "welcome": values, "server_tx": now})


def ack(message_id: Raw, now: float) -> bytes:
    """
    Encode the acknowledgement of a client's message.

    :param message_id: JSON; one longer than `MAX_ORIG_BYTES`, which no client sends, becomes null.
    """
    if len(bytes(message_id)) > MAX_ORIG_BYTES:
        message_id = _NULL
    return _encode({"type": "ack", "id": message_id, "server_tx": now})


def pong(value: Raw, now: float) -> bytes:
    """Encode the answer to a ping, with the JSON that came with it."""
    return _encode({"type": "pong", "pong": value, "server_tx": now})


def nameplates(names: list[str], at_most: int, now: float) -> bytes:
    """Encode the first of these nameplates, as many as take `at_most` bytes."""
    room = at_most
    shown = []
    for name in names:
        room -= len(name) + len('{"id":""},')
        if room < 0:
            break
        shown.append({"id": name})
    return _encode({"type": "nameplates", "nameplates": shown, "server_tx": now})


def allocated(nameplate: str, now: float) -> bytes:
    """Encode the answer to `allocate`."""
    return _encode({"type": "allocated", "nameplate": nameplate, "server_tx": now})


def claimed(mailbox: str, now: float) -> bytes:
    """Encode the answer to `claim`: the mailbox that the nameplate points to."""
    return _encode({"type": "claimed", "mailbox": mailbox, "server_tx": now})


def released(now: float) -> bytes:
    """Encode the answer to `release`."""
    return _encode({"type": "released", "server_tx": now})


def closed(now: float) -> bytes:
    """Encode the answer to `close`."""
    return _encode({"type": "closed", "server_tx": now})


def message(stored: StoredMessage, now: float) -> bytes:
    """Encode a message of a mailbox, in the same bytes for every listener."""
    return _encode(
        {
            "type": "message",
            "side": stored.side,
            "phase": stored.phase,
            "body": stored.body,
            "id": Raw(stored.message_id.encode()),
            "server_rx": stored.received,
            "server_tx": now,
        }
    )


def error(text: str, payload: bytes, now: float) -> bytes:
    """
    Encode a refusal.

    :param text: what is wrong.
    :param payload: the message that it is wrong with, which is repeated, shortened where it is long.
    """
    return _encode({"type": "error", "error": text, "orig": _orig(payload), "server_tx": now})


def _orig(payload: bytes) -> object:
    """The message itself; if it is long, its short values; if it is not a JSON object, its beginning."""
    try:
        keys = _decode_keys(payload.decode())
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError):
        return _shorten(payload)
    if len(payload) <= MAX_ORIG_BYTES:
        return Raw(payload)
    return {
        key[:_ORIG_VALUE_BYTES]: (
            value if len(bytes(value)) <= _ORIG_VALUE_BYTES else _shorten(bytes(value))
        )
        for key, value in list(keys.items())[:_ORIG_KEYS]
    }


def _shorten(some: bytes) -> str:
    text = some[:_ORIG_VALUE_BYTES].decode(errors="replace")
    return text + "…" if len(some) > _ORIG_VALUE_BYTES else text
