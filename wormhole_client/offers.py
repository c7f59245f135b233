"""
What two file transfers say to each other through the wormhole: JSON <-> frozen values. What the
peer says is checked here, once. No I/O.
"""

from typing import Any, Final

import attrs
import msgspec

from wormhole_client.errors import ProtocolError

APPID: Final = "lothar.com/wormhole/text-or-file-xfer"
TRANSIT_PURPOSE: Final = f"{APPID}/transit-key"
"""The clients use this text whatever appid is configured."""
ZIP_MODE: Final = "zipfile/deflated"


@attrs.frozen
class Text:
    """A line, or a page, that is shown and not stored."""

    text: str

    def to_json(self) -> dict[str, Any]:
        return {"message": self.text}


@attrs.frozen
class File:
    """One file; `size` in bytes."""

    name: str
    size: int

    def to_json(self) -> dict[str, Any]:
        return {"file": {"filename": self.name, "filesize": self.size}}


@attrs.frozen
class Directory:
    """A directory as a zip of `size` bytes, which hold `files` files of `content` bytes."""

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


Offer = Text | File | Directory


@attrs.frozen
class TransitSaid:
    """Where the peer can be reached; `hints` are as it said them."""

    hints: list[Any]


@attrs.frozen
class Offered:
    """The peer wants to send."""

    offer: Offer


@attrs.frozen
class Accepted:
    """The peer takes what we offered, or has taken it."""


@attrs.frozen
class Trouble:
    """The peer gives up, and why."""

    text: str


Said = TransitSaid | Offered | Accepted | Trouble


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


def parse(plaintext: bytes) -> list[Said]:
    """
    What one message of the peer says; keys that we do not know say nothing.

    :raises ProtocolError: it is not a message of a file transfer.
    """
    try:
        message = msgspec.json.decode(plaintext, type=_Message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError(f"the other end does not speak file transfer: {cause}") from cause
    said: list[Said] = []
    if message.error is not None:
        said.append(Trouble(message.error))
    if message.transit is not None:
        said.append(TransitSaid(message.transit.hints))
    if message.offer is not None:
        said.append(Offered(_offer(message.offer)))
    if message.answer is not None:
        if "ok" not in {message.answer.message_ack, message.answer.file_ack}:
            raise ProtocolError("the other end's answer is neither yes nor no")
        said.append(Accepted())
    return said


def _offer(offer: _Offer) -> Offer:
    parsed: Offer
    if offer.message is not None:
        return Text(offer.message)
    if offer.file is not None:
        parsed = File(offer.file.filename, offer.file.filesize)
    elif offer.directory is not None:
        said = offer.directory
        if said.mode != ZIP_MODE:
            raise ProtocolError(f"the other end sends directories as {said.mode!r}")
        parsed = Directory(said.dirname, said.zipsize, said.numbytes, said.numfiles)
    else:
        raise ProtocolError("the other end offers something that this client does not know")
    if parsed.size < 0:
        raise ProtocolError("the other end offers less than nothing")
    return parsed


def transit(abilities: list[Any], hints: list[Any]) -> bytes:
    return msgspec.json.encode({"transit": {"abilities-v1": abilities, "hints-v1": hints}})


def offered(offer: Offer) -> bytes:
    return msgspec.json.encode({"offer": offer.to_json()})


def accepted(offer: Offer) -> bytes:
    kind = "message_ack" if isinstance(offer, Text) else "file_ack"
    return msgspec.json.encode({"answer": {kind: "ok"}})


def trouble(text: str) -> bytes:
    return msgspec.json.encode({"error": text})


def acknowledged(sha256: str) -> bytes:
    """The last record of a transfer, from the receiver."""
    return msgspec.json.encode({"ack": "ok", "sha256": sha256})


def check_acknowledged(record: bytes, sha256: str) -> None:
    """
    :raises ProtocolError: the receiver did not get what was sent.
    """
    try:
        said = msgspec.json.decode(record, type=_Ack)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ProtocolError("the other end's acknowledgement is malformed") from cause
    if said.ack != "ok":
        raise ProtocolError(f"the other end reports: {said.ack}")
    if said.sha256 is not None and said.sha256 != sha256:
        raise ProtocolError("the other end received something else than was sent (sha256 differs)")
