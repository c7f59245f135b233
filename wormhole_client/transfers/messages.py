"""
The messages of a file transfer, JSON <-> frozen values.

The two ends send them to each other through the wormhole. Owns the checking of what the peer sends.
No I/O.
"""

from typing import Any, Final

import attrs
import msgspec

from wormhole_client.errors import ProtocolError

APPID: Final = "lothar.com/wormhole/text-or-file-xfer"
# All clients use this text, whatever appid is configured.
TRANSIT_PURPOSE: Final = f"{APPID}/transit-key"
ZIP_MODE: Final = "zipfile/deflated"


@attrs.frozen
class TextOffer:
    """A text, which is shown and not stored."""

    text: str

    def to_json(self) -> dict[str, Any]:
        return {"message": self.text}


@attrs.frozen
class FileOffer:
    """
    A file.

    :ivar size: in bytes.
    """

    name: str
    size: int

    def to_json(self) -> dict[str, Any]:
        return {"file": {"filename": self.name, "filesize": self.size}}


@attrs.frozen
class DirectoryOffer:
    """
    A directory, sent as a zip.

    :ivar size: of the zip, in bytes.
    :ivar content: the size of all its files together, in bytes.
    :ivar files: how many files it holds.
    """

    name: str
    size: int
    content: int
    files: int

    def to_json(self) -> dict[str, Any]:
        return {
            "directory": {
                "mode": ZIP_MODE,
                "dirname": self.name,
                "zipsize": self.size,
                "numbytes": self.content,
                "numfiles": self.files,
            }
        }


StoredOffer = FileOffer | DirectoryOffer
Offer = TextOffer | StoredOffer


@attrs.frozen
class TransitMessage:
    """
    Where the peer can be reached.

    :ivar hints: as the peer sent them.
    """

    hints: list[Any]


@attrs.frozen
class OfferMessage:
    """The peer offers something."""

    offer: Offer


@attrs.frozen
class AnswerMessage:
    """The peer accepts what was offered, or has received it."""


@attrs.frozen
class AbortMessage:
    """The peer gives up; the text says why."""

    text: str


TransferMessage = TransitMessage | OfferMessage | AnswerMessage | AbortMessage


class _File(msgspec.Struct, frozen=True):
    filename: str
    filesize: int


class _Directory(msgspec.Struct, frozen=True):
    mode: str
    dirname: str
    zipsize: int
    numbytes: int
    numfiles: int


class _Offer(msgspec.Struct, frozen=True):
    message: str | None = None
    file: _File | None = None
    directory: _Directory | None = None


class _Transit(msgspec.Struct, frozen=True):
    hints: list[Any] = msgspec.field(name="hints-v1", default_factory=list)


class _Answer(msgspec.Struct, frozen=True):
    message_ack: str | None = None
    file_ack: str | None = None


class _Message(msgspec.Struct, frozen=True):
    transit: _Transit | None = None
    offer: _Offer | None = None
    answer: _Answer | None = None
    error: str | None = None


class _Ack(msgspec.Struct, frozen=True):
    ack: str
    sha256: str | None = None


def parse_message(plaintext: bytes) -> list[TransferMessage]:
    """
    Parse one message of the wormhole, which may hold several of the transfer.

    :return: nothing for a message with only unknown keys.
    :raises ProtocolError: it is not a message of a file transfer.
    """
    try:
        message = msgspec.json.decode(plaintext, type=_Message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError(f"the other end does not speak file transfer: {cause}") from cause
    parsed: list[TransferMessage] = []
    if message.error is not None:
        parsed.append(AbortMessage(message.error))
    if message.transit is not None:
        parsed.append(TransitMessage(message.transit.hints))
    if message.offer is not None:
        parsed.append(OfferMessage(_parse_offer(message.offer)))
    if message.answer is not None:
        if "ok" not in {message.answer.message_ack, message.answer.file_ack}:
            raise ProtocolError("the other end's answer is neither yes nor no")
        parsed.append(AnswerMessage())
    return parsed


def _parse_offer(offer: _Offer) -> Offer:
    parsed: Offer
    if offer.message is not None:
        return TextOffer(offer.message)
    if offer.file is not None:
        parsed = FileOffer(offer.file.filename, offer.file.filesize)
    elif offer.directory is not None:
        directory = offer.directory
        if directory.mode != ZIP_MODE:
            raise ProtocolError(f"the other end sends directories as {directory.mode!r}")
        parsed = DirectoryOffer(
            directory.dirname, directory.zipsize, directory.numbytes, directory.numfiles
        )
    else:
        raise ProtocolError("the other end offers something that this client does not know")
    if parsed.size < 0:
        raise ProtocolError("the other end offers a negative number of bytes")
    return parsed


def encode_transit(abilities: list[Any], hints: list[Any]) -> bytes:
    """Encode where this end can be reached, of `Transit`'s values."""
    return msgspec.json.encode({"transit": {"abilities-v1": abilities, "hints-v1": hints}})


def encode_offer(offer: Offer) -> bytes:
    """Encode an offer."""
    return msgspec.json.encode({"offer": offer.to_json()})


def encode_answer(offer: Offer) -> bytes:
    """Encode the acceptance of an offer."""
    kind = "message_ack" if isinstance(offer, TextOffer) else "file_ack"
    return msgspec.json.encode({"answer": {kind: "ok"}})


def encode_abort(text: str) -> bytes:
    """Encode that this end gives up, and why."""
    return msgspec.json.encode({"error": text})


def encode_acknowledgement(sha256: str) -> bytes:
    """Encode the receiver's record that ends a transfer."""
    return msgspec.json.encode({"ack": "ok", "sha256": sha256})


def check_acknowledgement(record: bytes, sha256: str) -> None:
    """
    Check the receiver's record that ends a transfer.

    :param sha256: of what was sent.
    :raises ProtocolError: the receiver did not receive what was sent.
    """
    try:
        received = msgspec.json.decode(record, type=_Ack)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError("the other end's acknowledgement is malformed") from cause
    if received.ack != "ok":
        raise ProtocolError(f"the other end reports: {received.ack}")
    if received.sha256 is not None and received.sha256 != sha256:
        raise ProtocolError("the other end received something else than was sent (sha256 differs)")
