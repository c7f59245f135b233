"""
What a wormhole has to remember to go on after its process has ended, and the journal: that memory
as text. Each field is written by one machine only. No I/O; where the text is kept is the
application's affair. The text holds the code and unsent messages: keep it as a secret.
"""

import enum
from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec

from wormhole_client.errors import Mood

FORMAT: Final = 1  # raised when a field changes its meaning

Journal = Callable[[str], object]
"""Called with the memory before anything that it holds is told to the server."""


class NameplateStage(enum.Enum):
    """How far the nameplate is. It never moves backwards."""

    UNKNOWN = "unknown"  # no code yet
    CLAIMING = "claiming"  # chosen, its mailbox not known
    CLAIMED = "claimed"  # ours, until the other end has come
    RELEASING = "releasing"  # not needed any more, the server has not confirmed
    DONE = "done"


class MailboxStage(enum.Enum):
    """How far the mailbox is. It never moves backwards."""

    UNKNOWN = "unknown"  # the nameplate is not claimed yet
    OPEN = "open"
    CLOSING = "closing"  # the server has not confirmed
    DONE = "done"


@attrs.define
class Memory:
    """The state of one wormhole, apart from what a reconnect brings back by itself."""

    appid: str
    relay_url: str
    side: str
    versions: dict[str, Any] = attrs.field(factory=dict)
    code: str | None = None

    nameplate: str | None = None
    nameplate_stage: NameplateStage = NameplateStage.UNKNOWN

    mailbox: str | None = None
    mailbox_stage: MailboxStage = MailboxStage.UNKNOWN
    pending: dict[str, str] = attrs.field(factory=dict)
    """Phase -> body in hex, of messages that the server has not echoed, in order."""
    mood: Mood | None = None
    """What the mailbox is closed with, once it is to be closed."""

    exchange: str | None = None
    """The SPAKE2 exchange, with our secret scalar."""
    version_said: bool = False

    said: int = 0
    """How many application messages were encrypted and numbered."""
    unsaid: list[bytes] = attrs.field(factory=list)
    """Application messages that wait for the other end to prove itself."""
    heard: int = 0
    """How many application messages the application was given."""

    def dump(self) -> str:
        return msgspec.json.encode({"format": FORMAT, "memory": self}).decode("utf-8")

    @classmethod
    def load(cls, text: str) -> "Memory":
        """
        :raises ValueError: not what `dump` gave, or from another version of this package.
        """
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except msgspec.MsgspecError as cause:
            raise ValueError(f"not the state of a wormhole: {cause}") from cause
        if kept.format != FORMAT:
            raise ValueError(f"state of format {kept.format}, this version knows {FORMAT}")
        return kept.memory


class _Kept(msgspec.Struct, frozen=True):
    format: int
    memory: Memory
