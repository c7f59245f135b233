"""
The envelope of a client's message: from JSON text to keys, and the checks of their values. No I/O.

Owns every limit on the form of a message: which types a value may have, and how long it may be. Which keys
a command needs is the command's.

Deliberate: the values of `id` and `ping` are never decoded, but sent back as the JSON that came; unknown
keys are skipped; a value is checked only by the command that needs it.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from rendezvous.errors import ErrorKind, Refusal

# An index entry of PostgreSQL has at most 2,704 bytes, and holds an app id and a mailbox id together.
MAX_IDENTIFIER_BYTES = 1024
# Clients use 1 or 2 digits for a phase, 10 for a side, 16 for an id.
MAX_LABEL_BYTES = 256

_NULL = Raw(b"null")
_TOO_DEEP = "a message must not be nested so deeply"
# [0-9], not \d, which takes the digits of other scripts; \Z, not $, which takes a trailing newline.
_NAMEPLATE = re.compile(r"[0-9]{1,40}\Z")


class Envelope(msgspec.Struct):
    """
    One message of a client: the keys that the protocol knows, UNSET where the message does not have them.

    :ivar id: the JSON of its `id`, to be acknowledged; `null` where it has none.
    :ivar ping: the JSON of its `ping`, empty where it has none.
    """

    type: Any = UNSET
    id: Raw = _NULL
    method: Any = UNSET
    stamp: Any = UNSET
    appid: Any = UNSET
    side: Any = UNSET
    client_version: Any = UNSET
    nameplate: Any = UNSET
    mailbox: Any = UNSET
    phase: Any = UNSET
    body: Any = UNSET
    mood: Any = UNSET
    ping: Raw = Raw(b"")

    def check(self) -> None:
        """
        Refuse what cannot be a command, whatever state the connection is in.

        :raises Refusal: it has no type, or is not a message of the protocol at all.
        """
        if self.type is UNSET:
            raise Refusal(ErrorKind.MISSING_TYPE)


class _Malformed(Envelope):
    """A message that could not be decoded."""

    why: str = ""

    def check(self) -> None:
        raise Refusal(ErrorKind.MALFORMED, self.why)


class _Head(msgspec.Struct):
    id: Raw = _NULL


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_head = msgspec.json.Decoder(_Head).decode


def parse(payload: bytes) -> Envelope:
    """
    Decode one message, whatever its bytes. Never raises: `Envelope.check` does.

    :param payload: a WebSocket message, text or binary.
    """
    try:
        # The whole message is decoded here, not only the known keys, so that bad UTF-8 is refused.
        text = payload.decode()
    except UnicodeDecodeError:
        return _Malformed(why="a message must be UTF-8")
    try:
        return _decode_envelope(text)
    except RecursionError:
        return _Malformed(why=_TOO_DEEP)
    except msgspec.DecodeError as error:
        return _explain(text, error)


def _explain(text: str, error: msgspec.DecodeError) -> Envelope:
    """Tell apart broken JSON, JSON that is not an object, and a number that is out of range."""
    try:
        head = _decode_head(text)
    except RecursionError:
        return _Malformed(why=_TOO_DEEP)
    except msgspec.ValidationError:
        return _Malformed(why="a message must be a JSON object")
    except msgspec.DecodeError:
        return _Malformed(why="a message must be JSON")
    return _Malformed(id=head.id, why=f"a message must hold ordinary values: {error}")


def read_text(name: str, value: object, *, at_most: int) -> str:
    """
    Check a value that must be a string.

    :param name: its key, for the refusal.
    :param at_most: its greatest length in bytes of UTF-8.
    :raises Refusal: it is not a string, is too long, or holds a null character, which no database takes.
    """
    if not isinstance(value, str):
        raise wrong_value(f"'{name}' must be a string")
    if utf8_length(value) > at_most:
        raise wrong_value(f"'{name}' must have at most {at_most} bytes")
    if "\0" in value:
        raise wrong_value(f"'{name}' must not contain a null character")
    return value


def utf8_length(text: str) -> int:
    """Return how many bytes a text has in UTF-8: in ASCII, as nearly all are, as many as characters."""
    return len(text) if text.isascii() else len(text.encode())


def read_body(value: object) -> str:
    """
    Check the body of an `add`, which may be as long as a WebSocket message.

    :raises Refusal: it is not a string, or holds a null character.
    """
    if not isinstance(value, str):
        raise wrong_value("'body' must be a string")
    if "\0" in value:
        raise wrong_value("'body' must not contain a null character")
    return value


def read_nameplate(value: object) -> str:
    """
    Check a nameplate.

    :raises Refusal: it is not a string of 1 to 40 ASCII digits.
    """
    if not isinstance(value, str) or _NAMEPLATE.match(value) is None:
        raise wrong_value("'nameplate' must be a string of 1 to 40 digits")
    return value


def wrong_value(text: str) -> Refusal:
    """Make the refusal of a value that has the wrong type or form."""
    return Refusal(ErrorKind.WRONG_VALUE, text)
