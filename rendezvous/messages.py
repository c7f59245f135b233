"""
The wire: JSON text of a client into frozen commands, replies into JSON text.

Owns every rule about the form of a message: which keys, which types, how long. What is allowed when
belongs to `conversation`. No I/O, no clock: the time of sending is a parameter.

Known twists, all deliberate: an `id` and a `ping` are never decoded, they are handed back as the very
JSON that came; unknown keys are skipped; a message is checked only as far as its type needs.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
from msgspec import UNSET, Raw

from rendezvous.errors import ErrorKind, Refusal

# Index entries of PostgreSQL end at 2,704 bytes and hold an app id and a mailbox id together.
MAX_IDENTIFIER_BYTES = 1024
# Clients use 1 or 2 digits for a phase, 10 for a side, 16 for an id.
MAX_LABEL_BYTES = 256
# The Go client reads at most 32 KiB in one message.
MAX_LIST_BYTES = 30 * 1024
MAX_ORIG_BYTES = 4 * 1024
# Per key, of a message that is too long to be handed back whole.
_ORIG_VALUE_BYTES = 200
_ORIG_KEYS = 12

_NULL = Raw(b"null")
_TOO_DEEP = "a message must not be nested so deeply"
# [0-9], never \d: that takes other scripts' digits; \Z, never $: that takes a trailing newline.
_NAMEPLATE = re.compile(r"[0-9]{1,40}\Z")


@enum.unique
class CommandKind(enum.Enum):
    """What a message asks for. The values are the types on the wire and metric labels."""

    SUBMIT_PERMISSIONS = "submit-permissions"
    BIND = "bind"
    LIST = "list"
    ALLOCATE = "allocate"
    CLAIM = "claim"
    RELEASE = "release"
    OPEN = "open"
    ADD = "add"
    CLOSE = "close"
    PING = "ping"
    UNKNOWN = "unknown"  # no type, or one that the protocol does not know


@attrs.frozen
class SubmitPermissions:
    """The client proves that it may use the server."""

    method: str


@attrs.frozen
class Bind:
    """The client says which application it belongs to and which side it is."""

    app: str
    side: str
    implementation: str | None
    version: str | None


@attrs.frozen
class List:
    """The client wants to know the nameplates that are in use."""


@attrs.frozen
class Allocate:
    """The client wants a new nameplate."""


@attrs.frozen
class Claim:
    """The client wants `nameplate`, and the mailbox that it points to."""

    nameplate: str


@attrs.frozen
class Release:
    """The client is done with `nameplate`, or with the one that it claimed."""

    nameplate: str | None


@attrs.frozen
class Open:
    """The client wants the messages of `mailbox`, old and new."""

    mailbox: str


@attrs.frozen
class Add:
    """The client stores a message in the mailbox that it opened."""

    phase: str
    body: str


@attrs.frozen
class Close:
    """The client is done with `mailbox`, or with the one that it opened."""

    mailbox: str | None
    mood: str | None


@attrs.frozen
class Ping:
    """The client wants `value` back."""

    value: Raw


Command = (
    SubmitPermissions
    | Bind
    | List
    | Allocate
    | Claim
    | Release
    | Open
    | Add
    | Close
    | Ping
    | Refusal
)


@attrs.frozen
class Incoming:
    """
    One message of a client.

    :ivar id: the JSON of its `id`, to be acknowledged; `null` where it has none.
    :ivar command: what it asks for, or why it asks for nothing that could be understood.
    """

    kind: CommandKind
    id: Raw
    command: Command


class _Envelope(msgspec.Struct):
    type: Any = UNSET
    id: Raw = _NULL
    method: Any = UNSET
    appid: Any = UNSET
    side: Any = UNSET
    client_version: Any = UNSET
    nameplate: Any = UNSET
    mailbox: Any = UNSET
    phase: Any = UNSET
    body: Any = UNSET
    mood: Any = UNSET
    ping: Raw = Raw(b"")


class _Head(msgspec.Struct):
    id: Raw = _NULL


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_keys = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode


def _wrong(text: str) -> Refusal:
    return Refusal(ErrorKind.WRONG_VALUE, text)


def _text(name: str, value: object, *, at_most: int) -> str:
    if not isinstance(value, str):
        raise _wrong(f"'{name}' must be a string")
    # An ASCII string, as nearly all are, knows its length in bytes.
    if len(value) > at_most or (not value.isascii() and len(value.encode()) > at_most):
        raise _wrong(f"'{name}' must have at most {at_most} bytes")
    if "\0" in value:
        raise _wrong(f"'{name}' must not contain a null character")
    return value


def _body(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong("'body' must be a string")
    if "\0" in value:
        raise _wrong("'body' must not contain a null character")
    return value


def _nameplate(value: object) -> str:
    if not isinstance(value, str) or _NAMEPLATE.match(value) is None:
        raise _wrong("'nameplate' must be a string of 1 to 40 digits")
    return value


def _submit_permissions(message: _Envelope) -> SubmitPermissions:
    if message.method is UNSET:
        raise _wrong("submit-permissions requires 'method'")
    return SubmitPermissions(_text("method", message.method, at_most=MAX_LABEL_BYTES))


def _bind(message: _Envelope) -> Bind:
    if message.appid is UNSET:
        raise Refusal(ErrorKind.BIND_WITHOUT_APPID)
    if message.side is UNSET:
        raise Refusal(ErrorKind.BIND_WITHOUT_SIDE)
    implementation: str | None = None
    version: str | None = None
    # Only a statistic: a client that says it oddly is not turned away for that.
    match message.client_version:
        case [str(said), str(which), *_]:
            implementation, version = (text.replace("\0", "")[:100] for text in (said, which))
        case _:
            pass
    return Bind(
        _text("appid", message.appid, at_most=MAX_IDENTIFIER_BYTES),
        _text("side", message.side, at_most=MAX_LABEL_BYTES),
        implementation,
        version,
    )


def _list(_: _Envelope) -> List:
    return List()


def _allocate(_: _Envelope) -> Allocate:
    return Allocate()


def _claim(message: _Envelope) -> Claim:
    if message.nameplate is UNSET:
        raise Refusal(ErrorKind.CLAIM_WITHOUT_NAMEPLATE)
    return Claim(_nameplate(message.nameplate))


def _release(message: _Envelope) -> Release:
    return Release(None if message.nameplate is UNSET else _nameplate(message.nameplate))


def _open(message: _Envelope) -> Open:
    if message.mailbox is UNSET:
        raise Refusal(ErrorKind.OPEN_WITHOUT_MAILBOX)
    return Open(_text("mailbox", message.mailbox, at_most=MAX_IDENTIFIER_BYTES))


def _add(message: _Envelope) -> Add:
    if message.phase is UNSET:
        raise Refusal(ErrorKind.ADD_WITHOUT_PHASE)
    if message.body is UNSET:
        raise Refusal(ErrorKind.ADD_WITHOUT_BODY)
    if len(bytes(message.id)) > MAX_LABEL_BYTES:
        raise _wrong(f"'id' must have at most {MAX_LABEL_BYTES} bytes")
    return Add(_text("phase", message.phase, at_most=MAX_LABEL_BYTES), _body(message.body))


def _close(message: _Envelope) -> Close:
    mailbox = mood = None
    if message.mailbox is not UNSET:
        mailbox = _text("mailbox", message.mailbox, at_most=MAX_IDENTIFIER_BYTES)
    if message.mood is not UNSET and message.mood is not None:
        mood = _text("mood", message.mood, at_most=MAX_LABEL_BYTES)
    return Close(mailbox, mood)


def _ping(message: _Envelope) -> Ping:
    if not bytes(message.ping):
        raise Refusal(ErrorKind.PING_WITHOUT_PING)
    return Ping(message.ping)


_PARSERS: dict[str, tuple[CommandKind, Callable[[_Envelope], Command]]] = {
    "submit-permissions": (CommandKind.SUBMIT_PERMISSIONS, _submit_permissions),
    # The Rust client leaves the last letter out.
    "submit-permission": (CommandKind.SUBMIT_PERMISSIONS, _submit_permissions),
    "bind": (CommandKind.BIND, _bind),
    "list": (CommandKind.LIST, _list),
    "allocate": (CommandKind.ALLOCATE, _allocate),
    "claim": (CommandKind.CLAIM, _claim),
    "release": (CommandKind.RELEASE, _release),
    "open": (CommandKind.OPEN, _open),
    "add": (CommandKind.ADD, _add),
    "close": (CommandKind.CLOSE, _close),
    "ping": (CommandKind.PING, _ping),
}


def parse(payload: bytes) -> Incoming:
    """
    Understand one message, whatever its bytes. Never raises: what is wrong is in `command`.

    :param payload: a WebSocket message, text or binary.
    """
    try:
        # Decoding all of it here, not only the keys that are looked at, is what refuses bad UTF-8.
        text = payload.decode()
    except UnicodeDecodeError:
        return _not_understood(_NULL, "a message must be UTF-8")
    try:
        message = _decode_envelope(text)
    except RecursionError:
        return _not_understood(_NULL, _TOO_DEEP)
    except msgspec.DecodeError as error:
        return _explain(text, error)
    if message.type is UNSET:
        return Incoming(CommandKind.UNKNOWN, message.id, Refusal(ErrorKind.MISSING_TYPE))
    known = _PARSERS.get(message.type) if isinstance(message.type, str) else None
    if known is None:
        return Incoming(CommandKind.UNKNOWN, message.id, Refusal(ErrorKind.UNKNOWN_TYPE))
    kind, parser = known
    try:
        return Incoming(kind, message.id, parser(message))
    except Refusal as refusal:
        return Incoming(kind, message.id, refusal)


def _not_understood(message_id: Raw, why: str) -> Incoming:
    return Incoming(CommandKind.UNKNOWN, message_id, Refusal(ErrorKind.MALFORMED, why))


def _explain(text: str, error: msgspec.DecodeError) -> Incoming:
    """Tell broken JSON from JSON that is no object and from a number beyond all bounds."""
    try:
        head = _decode_head(text)
    except RecursionError:
        return _not_understood(_NULL, _TOO_DEEP)
    except msgspec.ValidationError:
        return _not_understood(_NULL, "a message must be a JSON object")
    except msgspec.DecodeError:
        return _not_understood(_NULL, "a message must be JSON")
    return _not_understood(head.id, f"a message must hold ordinary values: {error}")


@attrs.frozen
class StoredMessage:
    """
    A message in a mailbox.

    :ivar number: its place in the mailbox, from 1, without gaps.
    :ivar message_id: the JSON of the `id` that the client gave it.
    :ivar received: when the server took it, seconds since the epoch.
    """

    number: int
    side: str
    phase: str
    body: str
    message_id: str
    received: float


def welcome(values: dict[str, object], now: float) -> bytes:
    """The greeting; `values` as docs/protocol.md names them."""
    return _encode({"type": "welcome", "welcome": values, "server_tx": now})


def ack(message_id: Raw, now: float) -> bytes:
    """The message with that id has been taken."""
    # An id that is longer than any client's is not worth sending back; its message is refused.
    if len(bytes(message_id)) > MAX_ORIG_BYTES:
        message_id = _NULL
    return _encode({"type": "ack", "id": message_id, "server_tx": now})


def pong(value: Raw, now: float) -> bytes:
    """The very JSON that came with the ping."""
    return _encode({"type": "pong", "pong": value, "server_tx": now})


def nameplates(names: list[str], now: float) -> bytes:
    """As many nameplates as every client can read in one message."""
    room = MAX_LIST_BYTES
    shown = []
    for name in names:
        room -= len(name) + len('{"id":""},')
        if room < 0:
            break
        shown.append({"id": name})
    return _encode({"type": "nameplates", "nameplates": shown, "server_tx": now})


def allocated(nameplate: str, now: float) -> bytes:
    """The nameplate that was free, and is this side's now."""
    return _encode({"type": "allocated", "nameplate": nameplate, "server_tx": now})


def claimed(mailbox: str, now: float) -> bytes:
    """The mailbox that the nameplate points to."""
    return _encode({"type": "claimed", "mailbox": mailbox, "server_tx": now})


def released(now: float) -> bytes:
    """This side has no nameplate any more."""
    return _encode({"type": "released", "server_tx": now})


def closed(now: float) -> bytes:
    """This side has no mailbox any more."""
    return _encode({"type": "closed", "server_tx": now})


def message(stored: StoredMessage, now: float) -> bytes:
    """A message of a mailbox; the same bytes for everyone who listens."""
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
    """What was wrong, and the message that it was wrong with, shortened where it is long."""
    return _encode({"type": "error", "error": text, "orig": _orig(payload), "server_tx": now})


def _orig(payload: bytes) -> object:
    """The message itself; key by key where it is long; its beginning where it is no message."""
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
