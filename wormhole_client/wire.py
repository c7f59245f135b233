"""
The rendezvous wire: JSON text <-> frozen values. Everything that a server sends is checked here,
once; behind this module nothing looks at types again. No I/O.
"""

from typing import Any, Final, get_args

import msgspec

from wormhole_client.errors import ProtocolError


class FromServer(msgspec.Struct, frozen=True, kw_only=True):
    """What every message of the server has."""

    server_tx: float | None = None


class Welcome(FromServer, frozen=True, tag="welcome"):
    welcome: dict[str, Any]


class Ack(FromServer, frozen=True, tag="ack"):
    id: str | None = None


class NameplateEntry(msgspec.Struct, frozen=True):
    id: str


class Nameplates(FromServer, frozen=True, tag="nameplates"):
    nameplates: list[NameplateEntry]


class Allocated(FromServer, frozen=True, tag="allocated"):
    nameplate: str


class Claimed(FromServer, frozen=True, tag="claimed"):
    mailbox: str


class Released(FromServer, frozen=True, tag="released"):
    pass


class Message(FromServer, frozen=True, tag="message"):
    side: str
    phase: str
    body: str  # hex

    def octets(self) -> bytes:
        """
        :raises ProtocolError: the body is not hex.
        """
        try:
            return bytes.fromhex(self.body)
        except ValueError as cause:
            raise ProtocolError("the body of a message is not hex", self.body[:80]) from cause


class Closed(FromServer, frozen=True, tag="closed"):
    pass


class Pong(FromServer, frozen=True, tag="pong"):
    pong: Any = None


class Refused(FromServer, frozen=True, tag="error"):
    error: str
    orig: Any = None


ServerMessage = (
    Welcome | Ack | Nameplates | Allocated | Claimed | Released | Message | Closed | Pong | Refused
)


class _Anything(msgspec.Struct, frozen=True):
    type: str


_DECODERS: Final[dict[str, msgspec.json.Decoder[ServerMessage]]] = {
    str(each.__struct_config__.tag): msgspec.json.Decoder(each) for each in get_args(ServerMessage)
}
_ANYTHING: Final = msgspec.json.Decoder(_Anything)


def decode(text: bytes) -> ServerMessage | None:
    """
    One message of the server; None for a type that this client does not know, which is allowed.

    :raises ProtocolError: not JSON, not an object, or a known type with wrong keys.
    """
    try:
        decoder = _DECODERS.get(_ANYTHING.decode(text).type)
        return decoder.decode(text) if decoder else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError(f"the server does not speak the protocol: {cause}", text) from cause


def command(kind: str, **keys: Any) -> bytes:
    """One command of the client, for instance `command("claim", nameplate="4")`."""
    return msgspec.json.encode({"type": kind, **keys})
