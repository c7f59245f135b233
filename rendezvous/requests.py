"""
What a conversation asks of the ledger, and what comes back: frozen values, nothing else.

`conversation` makes the requests, `mailboxes` carries them out, and neither knows the other.
"""

from __future__ import annotations

import attrs

from rendezvous.messages import StoredMessage
from rendezvous.moods import Mood


@attrs.frozen
class RecordClient:
    """Which client program bound; a statistic."""

    app: str
    implementation: str
    version: str


@attrs.frozen
class ListNameplates:
    """The nameplates of an application, as many as fit in an answer."""

    app: str


@attrs.frozen
class AllocateNameplate:
    """A nameplate that is free, claimed for `side`."""

    app: str
    side: str


@attrs.frozen
class ClaimNameplate:
    """This very nameplate."""

    app: str
    side: str
    nameplate: str


@attrs.frozen
class ReleaseNameplate:
    """`side` is done with it."""

    app: str
    side: str
    nameplate: str


@attrs.frozen
class OpenMailbox:
    """`side` takes part, and wants what is stored."""

    app: str
    side: str
    mailbox: str


@attrs.frozen
class AddMessage:
    """A message of `side` to all who take part; `message_id` is JSON."""

    app: str
    side: str
    mailbox: str
    phase: str
    body: str
    message_id: str
    received: float


@attrs.frozen
class CloseMailbox:
    """`side` takes part no longer."""

    app: str
    side: str
    mailbox: str
    mood: str | None


Request = (
    ListNameplates
    | AllocateNameplate
    | ClaimNameplate
    | ReleaseNameplate
    | OpenMailbox
    | AddMessage
    | CloseMailbox
)


@attrs.frozen
class Nameplates:
    """Answers ListNameplates."""

    names: list[str]


@attrs.frozen
class Claimed:
    """Answers AllocateNameplate and ClaimNameplate."""

    nameplate: str
    mailbox: str


@attrs.frozen
class Released:
    """Answers ReleaseNameplate; `retired` tells the mood of a nameplate that went with it."""

    retired: Mood | None = None


@attrs.frozen
class Page:
    """
    Answers OpenMailbox: the messages from the first one wanted on, as many as one page takes.

    :ivar latest: the number of the newest message that is known of, 0 where the page is empty: behind
        the last of the page where there are more.
    """

    messages: list[StoredMessage]
    latest: int


@attrs.frozen
class Added:
    """Answers AddMessage."""

    message: StoredMessage


@attrs.frozen
class Closed:
    """Answers CloseMailbox; tells the moods of what went with it."""

    retired: Mood | None = None
    nameplate_retired: Mood | None = None


Result = Nameplates | Claimed | Released | Page | Added | Closed
