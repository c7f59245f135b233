"""
The messages of the rendezvous protocol, JSON text <-> frozen values.

Owns the checking of everything that a server sends: behind this module nothing looks at types again.
No I/O.
"""

from typing import Any, Final, get_args

import msgspec

from wormhole_client.errors import ProtocolError
from wormhole_client.stamps import MAX_BITS


class FromServer(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every message of the server may have."""

    server_tx: float | None = None


class RequiredStamp(msgspec.Struct, frozen=True):
    """A hashcash stamp that the server requires."""

    bits: int
    resource: str


class WelcomeMessage(FromServer, frozen=True, tag="welcome"):
    """The first message on every connection."""

    welcome: dict[str, Any]

    def refusal(self) -> str | None:
        """
        Say why this client cannot use the server.

        :return: the operator's text, or the permissions that this client cannot have; None if the
            server accepts it.
        """
        error, stamp = self.welcome.get("error"), self.stamp()
        if isinstance(error, str):
            return error
        if stamp is not None and stamp.bits > MAX_BITS:
            return (
                f"the server requires a hashcash stamp of {stamp.bits} bits, which would take too "
                f"long; this client computes up to {MAX_BITS}"
            )
        required = self._required()
        if required and stamp is None:
            methods = ", ".join(sorted(map(str, required)))
            return f"the server requires a permission that this client does not support: {methods}"
        return None

    def stamp(self) -> RequiredStamp | None:
        """Return the stamp that this client has to submit before `bind`; None: it need not, or cannot."""
        offer = self._required().get("hashcash")
        match offer:
            case {"bits": int(bits), "resource": str(resource)} if bits >= 0:
                return RequiredStamp(bits, resource)
            case _:
                return None

    def _required(self) -> dict[str, Any]:
        """The permissions of which one is required; none where a plain `bind` will do."""
        required = self.welcome.get("permission-required")
        return required if isinstance(required, dict) and "none" not in required else {}


class AckMessage(FromServer, frozen=True, tag="ack"):
    id: str | None = None


class NameplateEntry(msgspec.Struct, frozen=True):
    id: str


class NameplatesMessage(FromServer, frozen=True, tag="nameplates"):
    nameplates: list[NameplateEntry]


class AllocatedMessage(FromServer, frozen=True, tag="allocated"):
    nameplate: str


class ClaimedMessage(FromServer, frozen=True, tag="claimed"):
    mailbox: str


class ReleasedMessage(FromServer, frozen=True, tag="released"):
    pass


class MailboxMessage(FromServer, frozen=True, tag="message"):
    """A message that either side has added to the mailbox; `body` is hex."""

    side: str
    phase: str
    body: str

    def octets(self) -> bytes:
        """
        Decode the body.

        :raises ProtocolError: the body is not hex.
        """
        try:
            return bytes.fromhex(self.body)
        except ValueError as cause:
            raise ProtocolError("the body of a message is not hex", self.body[:80]) from cause


class ClosedMessage(FromServer, frozen=True, tag="closed"):
    pass


class PongMessage(FromServer, frozen=True, tag="pong"):
    pong: Any = None


class ErrorMessage(FromServer, frozen=True, tag="error"):
    """A refusal; `orig` is the refused command, where the server says which."""

    error: str
    orig: Any = None


ServerMessage = (
    WelcomeMessage
    | AckMessage
    | NameplatesMessage
    | AllocatedMessage
    | ClaimedMessage
    | ReleasedMessage
    | MailboxMessage
    | ClosedMessage
    | PongMessage
    | ErrorMessage
)


class _Typed(msgspec.Struct, frozen=True):
    type: str


_DECODERS: Final[dict[str, msgspec.json.Decoder[ServerMessage]]] = {
    str(each.__struct_config__.tag): msgspec.json.Decoder(each) for each in get_args(ServerMessage)
}
_TYPED: Final = msgspec.json.Decoder(_Typed)


def decode_message(text: bytes) -> ServerMessage | None:
    """
    Decode one message of the server.

    :return: None for a type that this client does not know; the protocol allows a server to send one.
    :raises ProtocolError: the text is not a JSON object, or its keys do not fit its type.
    """
    try:
        decoder = _DECODERS.get(_TYPED.decode(text).type)
        return decoder.decode(text) if decoder else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError(f"the server does not speak the protocol: {cause}", text) from cause


def encode_command(kind: str, **keys: Any) -> bytes:
    """Encode one command of the client, for instance `encode_command("claim", nameplate="4")`."""
    return msgspec.json.encode({"type": kind, **keys})
