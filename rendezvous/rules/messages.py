"""
The rules of messages: how one is stored, only once if it is repeated, and how a mailbox is read in pages.

Owns the bounds of a page. Each rule is a function over one transaction.
"""

from __future__ import annotations

import attrs

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import mailbox_key
from rendezvous.ledger.statements import Query
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.envelope import utf8_length
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.schema import UNINDEXED_MESSAGES
from rendezvous.rules.sql import messages as sql
from rendezvous.rules.sql.mailboxes import Mailbox
from rendezvous.rules.sql.messages import Added

# The characters of the bodies on a page; a page holds one message at least.
PAGE_SIZE = 256 * 1024


@attrs.frozen
class Page:
    """
    Messages of a mailbox, from the first one that was asked for, as many as one page takes.

    :ivar latest: the number of the newest message that is known of: greater than that of the last message
        on the page if there are more, 0 if the page is empty.
    :ivar mailbox_id: the id of the mailbox's row, 0 if there was none when the page was read.
    """

    messages: list[StoredMessage]
    latest: int
    # Pages with the same messages are equal, whichever row has them.
    mailbox_id: int = attrs.field(default=0, eq=False)

    @property
    def created(self) -> bool:
        """Whether the `open` that read it has created the mailbox."""
        return self.mailbox_id == 0


@attrs.frozen
class MailboxLimits:
    """
    What a mailbox may hold.

    :ivar size: bytes of UTF-8, those of sides, phases and ids included.
    """

    messages: int
    size: int


def size_of(side: str, phase: str, body: str, message_id: str) -> int:
    """Return what a message counts for, in bytes of UTF-8."""
    return utf8_length(body) + utf8_length(side + phase + message_id)


def add(
    tx: Transaction,
    app: str,
    side: str,
    mailbox: str,
    phase: str,
    body: str,
    message_id: str,
    limits: MailboxLimits,
    now: float,
) -> Added | StoredMessage:
    """
    Store a message behind all others of the mailbox, unless it repeats one that is stored.

    A client that lost its connection before the echo sends its message again, with another id.

    :param message_id: JSON.
    :param now: when the server took the message, seconds since the epoch.
    :return: where it was stored; or the message of the same side, phase and body that is stored already.
    :raises Refusal: ADD_BEFORE_OPEN, `side` does not have the mailbox open; MAILBOX_FULL, it would hold more
        than `limits` allow.
    """
    place = tx.one(
        sql.PLACE, the_app=app, the_mailbox=mailbox, the_side=side, the_phase=phase, the_body=body
    )
    if place is None:
        raise Refusal(ErrorKind.ADD_BEFORE_OPEN)
    equal = place.equal
    if equal is None and place.newest > UNINDEXED_MESSAGES:
        equal = tx.one(
            sql.EQUAL_LATER,
            the_id=place.mailbox_id,
            the_side=side,
            the_phase=phase,
            the_body=body,
        )
    if equal is not None:
        stored = tx.one(sql.STORED, the_id=place.mailbox_id, the_number=equal)
        if stored is not None:
            return stored
    total = place.total + size_of(side, phase, body, message_id)
    if place.newest >= limits.messages or total > limits.size:
        raise Refusal(ErrorKind.MAILBOX_FULL)
    added = Added(place.mailbox_id, place.newest + 1)
    tx.run(
        sql.INSERT,
        the_id=added.mailbox_id,
        the_number=added.number,
        the_side=side,
        the_phase=phase,
        the_body=body,
        the_message_id=message_id,
        the_total=total,
        now=now,
    )
    tx.announce(mailbox_key(app, mailbox), added.mailbox_id, added.number)
    return added


def read_page(tx: Transaction, app: str, mailbox: str, number: int) -> Page:
    """Read the page of messages that begins with `number`; it is empty if the mailbox does not exist."""
    return _read(tx, sql.PAGE, app, mailbox, number)[1]


def read_for_update(tx: Transaction, app: str, mailbox: str) -> tuple[Mailbox | None, Page]:
    """Read a mailbox, locked where the database can lock rows, and the first page of its messages."""
    return _read(tx, sql.PAGE_FOR_UPDATE, app, mailbox, 1)


def _read(
    tx: Transaction,
    query: Query[tuple[Mailbox, StoredMessage | None]],
    app: str,
    mailbox: str,
    number: int,
) -> tuple[Mailbox | None, Page]:
    box = None
    messages: list[StoredMessage] = []
    room = PAGE_SIZE
    for box, message in tx.each(query, the_app=app, the_mailbox=mailbox, the_number=number):
        if message is None:
            break
        if room <= 0 or len(messages) == sql.PAGE_MESSAGES:
            # There are more than the page takes.
            return box, Page(messages, message.number, box.id)
        messages.append(message)
        room -= len(message.body)
    latest = messages[-1].number if messages else 0
    return box, Page(messages, latest, 0 if box is None else box.id)
