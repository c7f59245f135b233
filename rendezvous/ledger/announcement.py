"""
The announcement: how one instance tells the others which mailboxes it has stored messages in. No I/O.

Owns the channel and the payload of PostgreSQL's NOTIFY. A payload names the instance, and for each mailbox
the number of its key, the id of its row and the number of its newest message. If these do not fit, it says
so, and whoever receives it checks every mailbox that it has subscribers for.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

# PostgreSQL takes a payload of less than 8000 bytes.
MAX_BYTES = 7999
CHANNEL = "wormhole_rendezvous"
_EVERYTHING = "*"
_KEY_BITS = 64


@attrs.frozen
class NewMessages:
    """
    A mailbox has messages up to a number.

    :ivar key: the number of the mailbox's key; see `keys.lock_key`.
    :ivar mailbox_id: the id of the mailbox's row, which tells apart mailboxes that had the same name one
        after another.
    :ivar number: of the newest message.
    """

    key: int
    mailbox_id: int
    number: int


@attrs.frozen
class Announcement:
    """
    What one transaction of an instance has stored.

    :ivar instance: the one that stored it.
    :ivar stored: None if it did not fit.
    """

    instance: str
    stored: Sequence[NewMessages] | None


def encode(instance: str, stored: Sequence[NewMessages]) -> str:
    """Return the payload for what a transaction has stored."""
    mailboxes = [
        f"{each.key % (1 << _KEY_BITS):x}:{each.mailbox_id:x}:{each.number:x}" for each in stored
    ]
    payload = " ".join([instance, *mailboxes])
    return payload if len(payload) <= MAX_BYTES else f"{instance} {_EVERYTHING}"


def decode(payload: str) -> Announcement:
    """
    Parse a payload.

    :return: the announcement; one that cannot be parsed, perhaps from a newer instance, is taken as one that
        did not fit.
    """
    instance, *mailboxes = payload.split(" ")
    try:
        return Announcement(instance, [_decode(each) for each in mailboxes])
    except ValueError:
        return Announcement(instance, None)


def _decode(mailbox: str) -> NewMessages:
    key, mailbox_id, number = (int(part, 16) for part in mailbox.split(":"))
    signed = key - (1 << _KEY_BITS) if key >> (_KEY_BITS - 1) else key
    return NewMessages(signed, mailbox_id, number)
