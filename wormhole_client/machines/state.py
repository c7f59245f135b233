"""
The state of one wormhole: what it needs to go on after its process has ended, as text.

Each field is written by one machine only. The application decides where the text is kept. It holds the
code and unsent messages, and has to be kept as a secret. No I/O.
"""

import enum
from collections.abc import Callable
from typing import Any, Final

import msgspec

from wormhole_client.errors import WormholeMood

FORMAT: Final = 1  # raised when a field changes its meaning

Journal = Callable[[str], object]
"""Is called with the state before the server is sent anything that the state holds."""

# The names of fields in the text of format 1, where they differ.
_IN_TEXT: Final = {
    "key_exchange": "exchange",
    "version_sent": "version_said",
    "messages_sent": "said",
    "unsent": "unsaid",
    "messages_delivered": "heard",
}


class NameplateStage(enum.Enum):
    """How far the nameplate is. It never moves backwards."""

    UNKNOWN = "unknown"  # there is no code yet
    CLAIMING = "claiming"  # it is chosen; its mailbox is not known
    CLAIMED = "claimed"  # it is ours until the other end has come
    RELEASING = "releasing"  # it is no longer needed; the server has not confirmed the release
    DONE = "done"  # it is released, or there never was one


class MailboxStage(enum.Enum):
    """How far the mailbox is. It never moves backwards."""

    UNKNOWN = "unknown"  # the nameplate is not claimed yet
    OPEN = "open"  # messages can be added
    CLOSING = "closing"  # the server has not confirmed the close
    DONE = "done"  # it is closed, or there never was one


class WormholeState(msgspec.Struct, rename=_IN_TEXT):
    """
    The state of one wormhole, without what a reconnect brings back by itself.

    :ivar pending: phase -> body in hex, of messages that the server has not echoed, in order.
    :ivar mood: what the mailbox is closed with, once it is to be closed.
    :ivar key_exchange: the saved SPAKE2 exchange, with this end's secret scalar.
    :ivar version_sent: whether the `version` message is on its way.
    :ivar messages_sent: how many messages of the application were encrypted and numbered.
    :ivar unsent: messages of the application that wait until the other end has proved its key.
    :ivar messages_delivered: how many messages of the peer the application was given.
    :ivar words_to_choose: how many words the code is to have whose nameplate the server was asked for;
        0 if it was not asked, or has answered.
    """

    appid: str
    relay_url: str
    side: str
    versions: dict[str, Any] = {}
    code: str | None = None

    nameplate: str | None = None
    nameplate_stage: NameplateStage = NameplateStage.UNKNOWN

    mailbox: str | None = None
    mailbox_stage: MailboxStage = MailboxStage.UNKNOWN
    pending: dict[str, str] = {}
    mood: WormholeMood | None = None

    key_exchange: str | None = None
    version_sent: bool = False

    messages_sent: int = 0
    unsent: list[bytes] = []
    messages_delivered: int = 0

    words_to_choose: int = 0

    def dump(self) -> str:
        """Encode the state as text."""
        return msgspec.json.encode({"format": FORMAT, "memory": self}).decode("utf-8")

    @classmethod
    def load(cls, text: str) -> "WormholeState":
        """
        Decode what `dump` returned.

        :raises ValueError: the text is not a state, or one of a newer version of this package.
        """
        try:
            written = msgspec.json.decode(text, type=_Format).format
            if written > FORMAT:
                raise ValueError(
                    f"the state was written by a newer version of this package: it has format {written}, "
                    f"and this version reads format {FORMAT}; upgrade it"
                )
            if written != FORMAT:
                raise ValueError(f"the text is not the state of a wormhole: format {written}")
            return msgspec.json.decode(text, type=_Saved).memory
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as cause:
            raise ValueError(f"the text is not the state of a wormhole: {cause}") from cause


class _Format(msgspec.Struct, frozen=True):
    format: int


class _Saved(msgspec.Struct, frozen=True):
    memory: WormholeState
